"""The fast state and the slow oracle agree in random histories, and a crash at any moment changes no result."""

from __future__ import annotations

import json
import os
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow.core import records as r
from nbflow.core.codec import decode
from nbflow.core.graph import FORGOTTEN
from nbflow.core.state import RunState
from nbflow.core.status import WorkflowStatus

from .driving import Driver
from .programs import Program
from .runs import settled

SOAK = 50 if os.environ.get("NBFLOW_SOAK") else 1
SEEDS = st.integers(0, 2**31)
RUNS = settings(max_examples=150 * SOAK, deadline=None, suppress_health_check=list(HealthCheck))

W = WorkflowStatus


@RUNS
@given(program=SEEDS, order=SEEDS)
def test_quiet_histories_agree_with_the_oracle_and_end(program: int, order: int) -> None:
    driver = Driver(Program(program), order)
    driver.start()
    driver.run()
    assert driver.state.status in (W.SUCCESSFUL, W.FAILED)
    assert settled(folded(driver)) == settled(driver.state)


@RUNS
@given(program=SEEDS, order=SEEDS, trouble=SEEDS)
def test_wild_histories_agree_with_the_oracle_and_end(program: int, order: int, trouble: int) -> None:
    driver = Driver(Program(program), order)
    driver.start()
    chance = Random(trouble)
    for _ in range(chance.randint(1, 5)):
        for _ in range(chance.randint(0, 25)):
            moves = driver.actions()
            if moves:
                chance.choice(moves)()
            if chance.random() < 0.1:
                driver.send(chance.choice(("k", "other", "nobody")))
        make_trouble(driver, chance)
    if driver.state.status in (W.RESUMABLE, W.PENDING):
        driver.crash()
    driver.run()
    assert driver.state.status in (W.SUCCESSFUL, W.FAILED, W.CANCELED)
    assert settled(folded(driver)) == settled(driver.state)


@RUNS
@given(program=SEEDS, order=SEEDS, variants=st.lists(st.integers(0, 6), min_size=2, max_size=4))
def test_a_result_is_marked_exactly_while_the_graph_would_make_it_otherwise(
    program: int, order: int, variants: list[int]
) -> None:
    driver = Driver(Program(program), order)
    driver.start()
    driver.run()
    for variant in variants:
        driver.crash(between=lambda variant=variant: driver.give_graph(variant))  # type: ignore[misc]
        driver.run()


def make_trouble(driver: Driver, chance: Random) -> None:
    """Let one thing happen that no command asked for."""
    what = chance.randrange(9)
    if what == 0:
        driver.put(r.RunDetached(8.0))
    elif what == 1 and chance.random() < 0.3:
        driver.put(r.RunCanceled(8.0))
    elif what == 7:
        driver.fork(some_nodes(driver, chance) if chance.random() < 0.5 else ())
    elif driver.state.status is W.CANCELED:
        return
    elif what == 8:
        driver.crash(between=lambda: driver.put(r.NodesRecoded(chance.choice(("c", "mended")), plain(driver, chance))))
    elif what == 2:
        driver.crash(between=lambda: driver.give_graph(chance.randint(1, 5)))
    elif what == 3:
        driver.crash(between=lambda: reset_some(driver, chance))
    elif what == 4:
        driver.crash(between=lambda: driver.send("k"))
    elif what == 5:
        driver.crash(fold=False)
    else:
        driver.crash()


def reset_some(driver: Driver, chance: Random) -> None:
    """Ask for some nodes to be run again."""
    driver.put(r.NodesReset(some_nodes(driver, chance)))


def some_nodes(driver: Driver, chance: Random) -> tuple[int, ...]:
    """Return one or two nodes of the run."""
    known = [i for i, node in enumerate(driver.state.nodes) if node.owner != FORGOTTEN]
    return tuple(chance.sample(known, min(len(known), chance.randint(1, 2))))


def plain(driver: Driver, chance: Random) -> tuple[int, ...]:
    """Return some nodes that the run has grown and whose code has no options."""
    grown = [i for i, node in enumerate(driver.state.nodes) if node.owner >= 0 and node.spec.code in ("c", "mended")]
    return tuple(chance.sample(grown, chance.randint(0, len(grown))))


@settings(RUNS, max_examples=40 * SOAK)
@given(program=SEEDS, order=SEEDS, cut=st.floats(0, 1))
def test_a_crash_after_any_record_leads_to_the_same_result(program: int, order: int, cut: float) -> None:
    whole = Driver(Program(program, choices=False), order)
    begin = len(whole.journal)
    whole.start()
    whole.run()
    length = begin + round(cut * (len(whole.journal) - begin))
    resumed = Driver(Program(program, choices=False), order + 1, lines=whole.journal[:length])
    resumed.run()
    assert resumed.result() == whole.result()


@settings(RUNS, max_examples=40 * SOAK)
@given(program=SEEDS, order=SEEDS, cut=st.floats(0, 1))
def test_a_choice_that_was_made_before_a_crash_stays_made(program: int, order: int, cut: float) -> None:
    whole = Driver(Program(program), order, twin=False)
    begin = len(whole.journal)
    whole.start()
    whole.run()
    length = begin + round(cut * (len(whole.journal) - begin))
    resumed = Driver(Program(program), order + 1, lines=whole.journal[:length])
    before = {i: node.chosen for i, node in enumerate(resumed.state.nodes) if node.chosen >= 0}
    resumed.run()
    assert before == {i: resumed.state.nodes[i].chosen for i in before}


@settings(RUNS, max_examples=15 * SOAK)
@given(program=SEEDS, order=SEEDS)
def test_nothing_that_was_stored_is_done_again(program: int, order: int) -> None:
    whole = Driver(Program(program), order, twin=False)
    begin = len(whole.journal)
    whole.start()
    whole.run()
    for length in range(begin, len(whole.journal), 3):
        before = whole.journal[:length]
        resumed = Driver(Program(program), order, lines=before, twin=False)
        resumed.run()
        done, grown = stored(before)
        done_later, grown_later = stored(resumed.journal[length:])
        assert not done & (done_later | grown_later) and not grown & grown_later


def stored(lines: list[str]) -> tuple[set[int], set[int]]:
    """Return the nodes that got a durable value, and those that grew."""
    records = [decode(json.loads(line)) for line in lines]
    done = {record.node for record in records if isinstance(record, r.TaskSucceeded) and record.value is not None}
    return done, {record.node for record in records if isinstance(record, r.TaskGrew)}


def folded(driver: Driver) -> RunState:
    """Return what a reader makes of the journal."""
    state = RunState()
    state.handle_all(record for line in driver.journal if (record := decode(json.loads(line))))
    return state

"""A condensed history leads to the same state, and everything that comes after it does the same."""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import fields, is_dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from nbflow.core import machine as m
from nbflow.core import records as r
from nbflow.core.codec import UnknownRecord, decode, encode
from nbflow.core.condensing import CHUNK, Condensed, condensed, size_of
from nbflow.core.executions import TaskState
from nbflow.core.graph import NodeKind, NodeSpec
from nbflow.core.inbox import Seen
from nbflow.core.machine import Machine
from nbflow.core.rules import FlowDefined, FlowState, RulesEvaluated
from nbflow.core.state import RunState
from nbflow.core.status import WorkflowStatus
from nbflow.core.story import story
from nbflow.errors import InvalidTransition

from .driving import Driver
from .programs import Program
from .runs import ERROR, V, arrived, check, created, done, dump, event, graph, started, task
from .test_flow_rules import TASKS
from .test_machine import FORM, World, machine, sent, waits
from .test_oracle import RUNS, SEEDS, make_trouble

KINDS = (Machine, FlowState, TaskState)


def whole(state: RunState) -> Any:
    """Return everything that a state holds, also what its driver knows."""
    return {**plain(dump(state)), "counts": {key: n for key, n in state.counts.items() if n}, "recheck": state.recheck}


def plain(one: Any) -> Any:
    if isinstance(one, KINDS):
        names = getattr(one, "__slots__", None) or vars(one)
        return {name: plain(getattr(one, name)) for name in names}
    if is_dataclass(one):
        return [type(one).__name__, *(plain(getattr(one, field.name)) for field in fields(one))]
    if isinstance(one, dict | Counter):
        return {str(key): plain(value) for key, value in one.items()}
    return [plain(each) for each in one] if isinstance(one, list | tuple | deque) else one


def folded(lines: list[str]) -> RunState:
    state = RunState()
    for line in lines:
        record = decode(json.loads(line))
        assert record is not None
        state.handle(record)
    return state


def in_short(state: RunState) -> list[str]:
    return [encode(record) for record in condensed(state)]


def agree(journal: list[str], cut: int) -> None:
    """Assert that a journal whose first records are condensed says at each later record what the whole one says."""
    one = folded(journal[:cut])
    if one.status is None:
        return
    short = in_short(one)
    other = folded(short)
    assert whole(other) == whole(one)
    assert in_short(other) == short, "once more changes nothing"
    for line in journal[cut:]:
        records = [decode(json.loads(line)) for _ in range(2)]
        assert records[0] is not None and records[1] is not None
        assert one.handle(records[0]) == other.handle(records[1])
    assert whole(other) == whole(one)


@settings(RUNS, max_examples=60)
@given(program=SEEDS, order=SEEDS, trouble=SEEDS)
def test_a_condensed_history_of_tasks_and_waits_goes_on_as_the_whole_one(
    program: int, order: int, trouble: int
) -> None:
    driver = Driver(Program(program), order, twin=False)
    driver.start()
    chance = Random(trouble)
    for _ in range(chance.randint(1, 3)):
        for _ in range(chance.randint(0, 25)):
            if moves := driver.actions():
                chance.choice(moves)()
            if chance.random() < 0.1:
                driver.send(chance.choice(("k", "other", "nobody")))
        make_trouble(driver, chance)
        if chance.random() < 0.3 and driver.state.status is not WorkflowStatus.CANCELED:
            driver.crash(between=lambda: driver.give_graph(chance.randrange(4)))
    for cut in {chance.randrange(len(driver.journal)), len(driver.journal)}:
        agree(driver.journal, cut)


@pytest.mark.parametrize("block", range(4))
def test_a_condensed_history_of_a_machine_goes_on_as_the_whole_one(block: int, soak: bool) -> None:
    for seed in range(block, 1600 if soak else 80, 4):
        world = World(seed)
        for _ in range(40):
            world.step()
        for cut in {Random(seed).randrange(5, len(world.journal)), len(world.journal)}:
            agree(world.journal, cut)


def test_all_that_a_machine_knows_is_in_a_condensed_history() -> None:
    known = [
        *created(),
        *graph(NodeSpec("order", NodeKind.DRIVER, (), "c")),
        r.RunStarted(2.0),
        m.MachineOpened(0, 3.0, FORM, deadline=99.0),
        m.HandlerBegan(0, 1, "begin", m.START, 3.0),
        m.Noted(0, 1, "now", 3.5),
        m.Noted(0, 1, "random", [1, 2]),
        m.ChildBegan(0, "child", "Other", 4.0, "ship"),
        m.HandlerDone(0, 1, 4.0, {"do": "wait", "until": 50.0, "name": "late"}, {"k": V}, []),
        sent("e1"),
        m.HandlerBegan(0, 2, "note", m.EVENT, 5.0, "e1"),
        m.Noted(0, 2, "uuid4", "x"),
        m.EventSetAside(0, "e1", 6.0, ERROR),
        sent("e2"),
        sent("e3"),
        m.EventRetried(0, "e1", 7.0),
        m.HandlerBegan(0, 3, "note", m.EVENT, 7.0, "e1"),
        m.CancelAsked(0, 8.0, "ann"),
        m.MachineLate(0, 9.0),
        m.ChildEnded(0, "child", 9.0),
        m.HandlerDone(0, 3, 9.0, {"do": "step", "name": "ship"}, {}, ["k"]),
    ]
    journal = [encode(record) for record in known]
    for cut in range(9, len(journal) + 1):
        agree(journal, cut)


def test_a_condensed_history_of_a_flow_goes_on_as_the_whole_one() -> None:
    def look(event: dict[str, Any], *actions: list[Any], verdicts: Any = (), states: Any = None) -> RulesEvaluated:
        return RulesEvaluated(0, {"key": "k", **event}, [*map(list, verdicts)], [*actions], states or {}, 4.0)

    from .test_flow_rules import flow

    records = [
        FlowDefined(0, TASKS, {"default": 3}, 3.0),
        look({"src": "time", "task": "a", "due": 1.0}, ["start", "a", 1, "why"], states={"a/1": {"n": 1}}),
        r.NodesAdded((task("a#1"),), 0),
        r.NodesCalled(0),
        arrived("e1"),
        look({"src": "run", "id": "e1"}, verdicts=[("a/1", "broken", "no"), ("b/1", "fired", "")]),
        r.TaskAttemptFailed(1, 1, ERROR, 9.0),
        done(1, attempt=2),
        look({"src": "status", "task": "a", "seq": 1, "status": "SUCCESS", "ended": 3.0}),
        look({"src": "stream", "ns": "default", "off": 3}, ["start", "b", 1, "why"]),
        r.CallsForgotten(0, (1,)),
        arrived("e2"),
        arrived("e1"),
        look({"src": "held", "rule": "a/1", "id": "e1"}),
        look({"src": "run", "id": "e2"}, ["finish", "", 0, "why"]),
    ]
    before = [
        *created(), *graph(flow().nodes[0].spec), r.RunStarted(2.0),
    ]  # fmt: skip
    journal = [encode(record) for record in [*before, *records]]
    for cut in range(len(before), len(journal) + 1):
        agree(journal, cut)


def test_a_condensed_history_stands_at_the_beginning_and_begins_with_the_run() -> None:
    state, _ = started(task("a"))
    records = list(condensed(state))
    with pytest.raises(InvalidTransition, match="stands at the beginning"):
        state.handle(records[0])
    with pytest.raises(InvalidTransition, match="begins with the run"):
        RunState().handle(records[-1])


def test_an_older_nbflow_refuses_a_condensed_history() -> None:
    state, _ = started(task("a"))
    for line in in_short(state):
        wire = json.loads(line)
        if wire["t"] == "condensed":
            assert wire["!"] == 1
            with pytest.raises(UnknownRecord, match="newer nbflow"):
                decode({**wire, "t": "unheard of"})


def test_a_fork_of_a_condensed_run_shares_what_it_had_finished() -> None:
    state, _ = started(task("a"), task("b", 0))
    state.handle(done(0))
    fork = encode(r.RunForked("fork", "run", 12.0, nodes=(1,)))
    one, other = folded([*(encode(record) for record in _all(state)), fork]), folded([*in_short(state), fork])
    assert whole(one) == whole(other)
    assert one.workflow_id == "fork" and one.nodes[0].status.finished


def _all(state: RunState) -> list[r.Record]:
    return [*created(), *graph(*(node.spec for node in state.nodes)), r.RunStarted(2.0), done(0)]


def test_the_story_of_a_condensed_run_begins_with_what_a_node_had_come_to() -> None:
    state, _ = started(task("a"), task("b", 0))
    state.handle(done(0))
    records = [decode(json.loads(line)) for line in in_short(state)]
    told = story([record for record in records if record], "a")
    assert [line.partition(" ")[2] for line in told] == ["what came before was condensed: nodes -> done"]
    told = story([*(record for record in records if record), done(1)], "b")
    assert told[-1].endswith("attempt 1 succeeded -> done")


def test_the_size_of_a_run_is_what_it_has_now() -> None:
    state, _ = started(task("a"))
    before = size_of(state)
    for number in range(2, 50):
        state.handle(r.TaskAttemptFailed(0, number, ERROR, 9.0))
    assert size_of(state) == before
    grown = machine(*waits())
    grown.handle_all(sent(f"e{i}") for i in range(10))
    assert size_of(grown) == size_of(machine(*waits())) + 10


def test_a_record_holds_few_nodes_so_that_no_thread_has_to_wait_long_for_its_reader() -> None:
    state, _ = started(*(task(f"t{number}") for number in range(2 * CHUNK + 7)))
    counts = [len(part.content) for part in condensed(state) if isinstance(part, Condensed) and part.what == "nodes"]
    assert counts == [CHUNK, CHUNK, 7]
    check(folded(in_short(state)))


def test_calls_that_were_let_go_take_no_room() -> None:
    state = machine(*waits())
    for number in range(1, 300):
        state.handle_all([r.NodesAdded((task(f"t{number}"),), 0), r.NodesCalled(0)])
        index = len(state.nodes) - 1
        state.handle_all([done(index), r.CallsForgotten(0, (index,))])
    assert len({id(node) for node in state.nodes}) < 10, "all that are gone are one"
    few, many = (len("".join(in_short(one))) for one in (machine(*waits()), state))
    assert many < few + 100
    check(folded(in_short(state)))


def test_an_id_is_known_for_ever_and_no_other_is() -> None:
    seen = Seen()
    for number in range(20_000):
        seen.add(f"e{number}")
        seen.add(f"e{number // 2}")
    assert len(seen) == 20_000
    assert all(f"e{number}" in seen for number in range(20_000))
    assert not any(f"f{number}" in seen for number in range(20_000))
    kept = Seen()
    kept.take(seen)
    assert len(kept) == len(seen) and "e7" in kept and "f7" not in kept and sorted(kept) == sorted(seen)


def test_marks_of_ids_come_back_in_pieces() -> None:
    state, _ = started(event("w"))
    for number in range(5000):
        state.inbox.seen.add(str(number))
    lines = in_short(state)
    assert sum(len(line) for line in lines if '"seen"' in line) < 5000 * 20
    assert sorted(folded(lines).inbox.seen) == sorted(state.inbox.seen)
    assert isinstance(decode(json.loads(lines[0])), Condensed)

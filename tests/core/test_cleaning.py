"""A journal without its values says the same as before, and only what makes the result is still in it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings

from nbflow.core import records as r
from nbflow.core.cleaning import blobs_of, cleaned
from nbflow.core.codec import decode, encode
from nbflow.core.condensing import condensed
from nbflow.core.graph import is_gone
from nbflow.core.state import RunState
from nbflow.core.status import WorkflowStatus

from .driving import Driver
from .programs import Program
from .runs import arrived, done, dump, event, graph, started, task, value
from .test_oracle import RUNS, SEEDS


def wires(*records: r.Record) -> list[dict[str, Any]]:
    return [json.loads(encode(record)) for record in records]


def folded(lines: list[dict[str, Any]]) -> RunState:
    state = RunState()
    state.handle_all(record for line in lines if (record := decode(line)))
    return state


def stored(text: str) -> dict[str, Any]:
    return {"c": "p5", "blob": text, "size": 99, "pv": f"<{text}>", "ty": "bytes"}


def without_values(state: RunState) -> dict[str, Any]:
    found = dump(state)
    found["codes"] = None
    for node in found["nodes"]:
        for name in ("value", "event", "spec", "made", "error", "wait"):
            node[name] = None
    return found


@settings(RUNS, max_examples=60)
@given(program=SEEDS, order=SEEDS)
def test_a_cleaned_journal_leads_to_the_same_state_and_result(program: int, order: int) -> None:
    driver = Driver(Program(program), order, twin=False)
    driver.start()
    driver.run()
    if driver.state.status is not WorkflowStatus.SUCCESSFUL:
        return
    lines = [json.loads(line) for line in driver.journal]
    if order % 3 == 0:
        short = condensed(folded(lines[:-2]))
        lines = [*(json.loads(encode(record)) for record in short), *lines[-2:]]
    before = folded(lines)
    shorter = cleaned(lines, before)
    after = folded(shorter)
    assert without_values(after) == without_values(before)
    assert cleaned(shorter, after) == shorter, "once more changes nothing"
    holder = before.nodes[before.resolve(before.output)]
    if holder.value is not None:
        assert after.nodes[after.resolve(after.output)].value == holder.value
    for node, whole in zip(after.nodes, before.nodes, strict=True):
        assert node.value == whole.value or is_gone(node.value)


def test_what_a_person_may_read_stays_and_blobs_are_named_only_where_they_are_kept() -> None:
    state, _ = started(task("a", call=[[{"v": stored("argument")}]]), task("b", 0))
    records = wires(
        *graph(task("a", call=[[{"v": stored("argument")}]])), done(0, stored("inner")), done(1, stored("result"))
    )
    state.handle_all([done(0, stored("inner")), done(1, stored("result")), r.RunSucceeded(9.0)])
    shorter = cleaned(records, state)
    assert blobs_of(records) == {"argument", "inner", "result"} and blobs_of(shorter) == {"result"}
    (inner,) = [wire["v"] for wire in shorter if wire.get("n") == 0]
    assert (inner["c"], inner["pv"], inner["ty"]) == ("gone", "<inner>", "bytes")


def test_a_result_that_only_holds_others_keeps_its_parts_and_its_own() -> None:
    box = value("box", 0)
    box = type(box)("box", box.kind, (0,), "", [[{"l": [{"r": 0}, {"v": stored("own")}]}]])
    state, _ = started(task("a"), task("b"), box)
    state.handle_all([done(0, stored("part")), r.RunSucceeded(9.0)])
    shorter = cleaned(wires(*graph(task("a"), task("b"), box), done(0, stored("part"))), state)
    assert blobs_of(shorter) == {"own", "part"}


def test_answers_and_short_events_stay_and_long_ones_go() -> None:
    state, _ = started(event("w"), task("b", 0))
    prompt = {"title": "Go?", "options": ["yes"], "show": {"text/html": "<b>" * 1000}}
    long = {"c": "json", "v": "x" * 2000}
    records = wires(
        r.WaitOpened(0, 1, 3.0, "k", None, None, prompt), arrived("e1", "k", long), arrived("e2", "other", long),
        arrived("e3", "other"),
    )  # fmt: skip
    shorter = cleaned(records, state)
    assert shorter[0]["p"] == {**prompt, "show": None}
    assert [is_gone(wire["v"]) for wire in shorter[1:]] == [False, True, False]


def test_code_goes_and_its_source_stays() -> None:
    wire = {"t": "code", "code": {"key": "c", "name": "f", "v": stored("code"), "fp": "1", "src": "def f(): ..."}}
    (found,) = cleaned([wire], started(task("a"))[0])
    assert found["code"] == {"key": "c", "name": "f", "v": None, "fp": "1", "src": "def f(): ..."}

"""How events get into a run: early, late, twice, from elsewhere; and what their senders are told."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow import api
from nbflow.core.codec import decode
from nbflow.core.records import EventReceived, WaitOpened
from nbflow.engine import committer, events
from nbflow.engine.events import Receipt
from nbflow.engine.waits import Waits
from nbflow.errors import CheckpointError, GraphError, WaitingForHuman, WorkflowExecutionError, WorkflowNotFoundError
from nbflow.storage.folder import FolderStorage
from nbflow.storage.journal import Journal
from nbflow.testing import answers
from tests.engine.tools import LONG, Gate, VirtualClock, finish, kill_at, script, until


def asks(*args: Any, **kwargs: Any) -> Any:
    return nf.wait_for_event(nf.ButtonListener, *args, **kwargs)


def open_now(run: nf.Run) -> list[str]:
    return until(lambda: run.questions)


def gone(workflow_id: str) -> None:
    until(lambda: workflow_id not in api.default_host().runners)


# ---- events of a key ----


def test_an_event_is_taken_by_the_oldest_wait_of_its_key() -> None:
    run = nf.run_async([nf.wait_for_event("k"), nf.wait_for_event("k"), nf.wait_for_event("other")])
    until(lambda: run.state.counts["waiting"] == 3)
    assert run.send("k", 1).node == "wait_for_k"
    assert run.send("k", 2).node == "wait_for_k_1"
    run.send("other", 3)
    assert run.result(10) == [1, 2, 3]


def test_an_early_event_waits_for_its_wait() -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    assert run.send("later", 1).status == "queued"
    run.send("go", 0)
    assert run.result(10) == 0
    assert nf.get_metadata("w")["undelivered"] == [run.state.undelivered[0]]


def test_an_event_counts_once_however_often_it_is_sent() -> None:
    run = nf.run_async([nf.wait_for_event("k"), nf.wait_for_event("k")])
    first, again = run.send("k", 1, id="e1"), run.send("k", 1, id="e1")
    assert (bool(first), again.status, bool(again)) == (True, "duplicate", True)
    assert run.send("k", 2, id="e2")
    assert run.result(10) == [1, 2]


def test_an_ended_run_says_that_it_is_closed() -> None:
    run = nf.run_async(nf.wait_for_event("k"), workflow_id="w")
    run.send("k", 1)
    run.result(10)
    assert run.send("k", 2).status == "closed"
    gone("w")
    assert (run.send("k", 2).status, nf.send("w", "k", 3).status) == ("closed", "closed")


def test_what_is_no_event_is_refused() -> None:
    run = nf.run_async(nf.wait_for_event("k"))
    for key in ("", 5):
        assert run.send(key, 1).status == "rejected"  # type: ignore[arg-type]
    with pytest.raises(CheckpointError):
        run.send("k", threading.Lock())
    with pytest.raises(WorkflowNotFoundError):
        nf.send("nothing", "k")
    run.send("k", 1)
    assert run.result(10) == 1


def test_an_event_for_a_run_that_lies_is_there_when_it_goes_on(folder: Path) -> None:
    nf.run_async(nf.wait_for_event("k"), workflow_id="w").detach()
    receipt = nf.send("w", "k", {"a": 1}, id="e")
    assert (receipt.status, nf.send("w", "k", 2, id="e").status) == ("queued", "duplicate")
    assert nf.resume("w") == {"a": 1}


def test_another_process_can_send_to_a_live_run(folder: Path) -> None:
    run = nf.run_async(nf.wait_for_event("k"), workflow_id="w")
    code = "import sys, nbflow as nf; nf.init(storage=sys.argv[1]); print(nf.send('w', 'k', [1, 2], id='e').status)"
    assert finish(script(code, folder)) == "queued\n"
    assert run.result(10) == [1, 2]
    gone("w")
    assert FolderStorage(folder).send("w", {"id": "e", "key": "k"}) in (True, False)


def test_rubbish_in_the_inbox_does_no_harm(folder: Path) -> None:
    run = nf.run_async(nf.wait_for_event("k"), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    inbox = folder / "runs" / "w" / "inbox" / "new"
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / "junk.json").write_text("{")
    (inbox / "wrong.json").write_text(json.dumps({"sent": 1, "event": {"id": "x", "key": 5}}))
    (inbox / "odd.json").write_text(json.dumps({"sent": 1, "event": {"id": "y", "key": "z", "payload": 3}}))
    FolderStorage(folder).send("w", {"id": "real", "key": "k", "payload": {"c": "json", "v": 7}})
    assert run.result(10) == 7


def test_a_receipt_is_true_when_the_event_counts() -> None:
    statuses = ("delivered", "queued", "duplicate", "rejected", "closed")
    assert [bool(Receipt(status)) for status in statuses] == [True, True, True, False, False]


# ---- questions ----


def test_a_question_is_answered_by_its_title_or_its_node_and_the_first_answer_wins() -> None:
    run = nf.run_async(asks("Publish it?", options=["yes", "no"]), workflow_id="w")
    assert open_now(run) == ["publish_it"]
    wrong = run.answer("Publish it?", "perhaps")
    assert (wrong.status, "yes, no" in wrong.reason) == ("rejected", True)
    assert run.answer("nothing", "yes").status == "rejected"
    assert run.answer("Publish it?", "yes", by="ann", comment="fine").status == "delivered"
    assert run.answer("publish_it", "no").status == "closed"
    decision = run.result(10)
    assert (decision, decision.by, decision.comment, decision.source) == ("yes", "ann", "fine", "api")
    gone("w")
    late = run.answer("publish_it", "no")
    assert (late.status, "yes" in late.reason) == ("closed", True)
    assert isinstance(nf.get_output("w"), nf.Decision)


def test_of_two_answers_at_once_one_decides_and_the_other_is_told_so() -> None:
    run = nf.run_async(asks("Publish?", options=["yes", "no"]), workflow_id="w")
    (question,) = open_now(run)
    host = api.default_host()

    async def both() -> list[Receipt]:
        """Give both before the loop can commit either."""
        answers = [
            events.deliver(host, host.runners["w"], question, {"option": option}, None, option, "api")
            for option in ("yes", "no")
        ]
        return await asyncio.gather(*answers)

    first, second = host.engine.call(both)
    decision = run.result(10)
    assert (first.status, decision, decision.by) == ("delivered", "yes", "yes")
    assert (second.status, second.reason) == ("closed", "decided already: yes by yes")
    assert run.state.inbox.waiting() == []


@pytest.mark.parametrize("wait", [nf.wait_for_event("go"), nf.wait_for_event(nf.HTTPListener, event_key="go")])
@pytest.mark.parametrize("existing", ["resume", "restart"])
def test_a_question_and_a_wait_with_one_key_are_refused_before_anything_is_stored(wait: Any, existing: str) -> None:
    with pytest.raises(GraphError, match=r"share the key 'go'.*\.options\(task_id='ask_go'\)"):
        nf.run_async([asks("Go?"), wait], existing=existing)
    assert nf.list_all() == []
    run = nf.run_async([asks("Go?").options(task_id="ask_go"), wait])
    until(lambda: run.state.counts["waiting"] == 2)
    assert run.send("go", 7).node != "ask_go"
    assert run.answer("Go?", "approve")
    assert run.result(10) == ["approve", 7]


@pytest.mark.parametrize("first", ["question", "wait"])
def test_a_key_that_only_the_run_can_tell_is_refused_to_the_second_of_question_and_wait(first: str) -> None:
    key = nf.task(lambda _: "go", name="key")
    now = nf.wait_for_event("now")
    if first == "question":
        dag = [asks("Go?"), nf.wait_for_event(nf.HTTPListener, event_key=key.bind(now))]
    else:
        later = nf.task(lambda _: nf.continuation(asks("Go?")), name="later")
        dag = [nf.wait_for_event("go"), later.bind(now)]
    run = nf.run_async(dag)
    until(lambda: run.state.counts["waiting"] == 2)
    run.send("now")
    with pytest.raises(WorkflowExecutionError, match="would share the key 'go'"):
        run.result(20)


def test_a_key_is_refused_to_who_opens_while_the_other_one_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, tried = Gate(), threading.Semaphore(0)
    append, open_wait = Journal.append, Waits._open

    def slowly(self: Journal, lines: Sequence[str]) -> None:
        if any(f'"{WaitOpened.tag}"' in line for line in lines):
            gate.wait()
        append(self, lines)

    async def opens(self: Waits, index: int) -> None:
        await open_wait(self, index)
        tried.release()

    monkeypatch.setattr(Journal, "append", slowly)
    monkeypatch.setattr(Waits, "_open", opens)
    monkeypatch.setattr(committer, "QUICK_SECONDS", 0.0)  # the loop goes on while the writer stands at the gate
    key = nf.task(lambda: "go", name="key").bind()
    run = nf.run_async([asks("Go?", message=key), nf.wait_for_event(nf.HTTPListener, event_key=key)])
    assert tried.acquire(timeout=LONG) and tried.acquire(timeout=LONG)
    gate.open.set()
    with pytest.raises(WorkflowExecutionError, match="would share the key 'go'"):
        run.result(20)


def test_an_event_is_taken_by_its_wait_though_a_question_of_its_key_was_answered(folder: Path) -> None:
    now = nf.wait_for_event("now")
    key = nf.task(lambda _: "go", name="key").bind(now)
    wait = nf.wait_for_event(nf.HTTPListener, event_key=key)
    run = nf.run_async([asks("Go?"), wait], workflow_id="w")
    open_now(run)
    assert run.answer("Go?", "approve")
    run.send("now")
    until(lambda: run.state.waiting.get("go"))
    assert run.send("go", {"option": "none"}).status == "delivered"
    assert run.result(10) == ["approve", {"option": "none"}]


def test_an_event_is_taken_by_its_wait_though_a_question_has_its_key_as_title() -> None:
    run = nf.run_async([asks("go").options(task_id="ask"), nf.wait_for_event("go")])
    until(lambda: run.state.counts["waiting"] == 2)
    assert run.send("go", 7).node == "wait_for_go"
    assert run.answer("ask", "approve")
    assert run.result(10) == ["approve", 7]


def test_a_form_gives_its_fields_and_refuses_what_does_not_fit() -> None:
    def fields(share: int, note: str = "") -> None: ...

    run = nf.run_async(nf.wait_for_event(nf.FormListener, "How much?", fields))
    (question,) = open_now(run)
    assert "share" in run.answer(question, share="many").reason
    assert run.answer(question, share=10)
    assert run.result(10)["share"] == 10


def test_a_question_shows_an_upstream_value_also_after_a_restart(folder: Path) -> None:
    shown = nf.task(lambda: {"rows": 5}, name="shown")
    run = nf.run_async(asks("Good?", show=shown.bind()), workflow_id="w")
    open_now(run)
    run.detach()
    again = nf.resume_async("w")
    open_now(again)
    node = next(node for node in again.state.nodes if node.wait)
    assert node.wait.prompt["show"]["text/plain"] == "{'rows': 5}"  # type: ignore[index, union-attr]
    again.answer("Good?", "approve")
    assert again.result(10) == "approve"


def test_a_question_decides_by_itself_at_its_deadline(clock: VirtualClock) -> None:
    run = nf.run_async(asks("Good?", timeout=3600, on_timeout="reject"))
    open_now(run)
    until(lambda: clock.next)
    clock.advance(3599)
    assert run.questions
    clock.advance(1)
    decision = run.result(10)
    assert (decision, decision.source) == ("reject", "timeout")


def test_a_question_without_a_way_out_fails_at_its_deadline_and_asks_anew(clock: VirtualClock) -> None:
    run = nf.run_async(asks("Good?", timeout=60), workflow_id="w")
    open_now(run)
    until(lambda: clock.next)
    clock.advance(60)
    with pytest.raises(WorkflowExecutionError, match="deadline"):
        run.result(10)
    again = nf.resume_async("w")
    assert open_now(again) == ["good"]
    again.answer("good", "approve")
    assert again.result(10) == "approve"


@pytest.mark.parametrize(
    "wrong", [{"options": []}, {"options": ["a", "a"]}, {"default": "x"}, {"timeout": 5, "on_timeout": "x"}]
)
def test_a_question_that_contradicts_itself_fails_its_task(wrong: dict[str, Any]) -> None:
    with pytest.raises(WorkflowExecutionError) as failed:
        nf.run(asks("Good?", **wrong))
    assert isinstance(failed.value.__cause__, ValueError)


@pytest.mark.crash
def test_an_open_question_survives_a_crash(folder: Path) -> None:
    code = """
    import sys, time, nbflow as nf
    nf.init(storage=sys.argv[1])
    run = nf.run_async(nf.wait_for_event(nf.ButtonListener, "Good?"), workflow_id="w")
    while not run.questions: time.sleep(0.01)
    print("HERE", flush=True); time.sleep(60)
    """
    kill_at(script(code, folder), "HERE")
    assert nf.get_run("w").questions == ["good"]
    assert nf.get_run("w").answer("Good?", "approve", by="bo").status == "queued"
    decision = nf.resume("w")
    assert (decision, decision.by) == ("approve", "bo")


# ---- nobody is there ----


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NBFLOW_HUMAN_TIMEOUT", "0.1")
    yield


def test_a_blocking_run_that_only_waits_for_a_person_lets_go_and_says_how_to_answer(alone: None) -> None:
    with pytest.raises(WaitingForHuman, match=r"'good'.*NBFLOW_ANSWERS"):
        nf.run(asks("Good?"), workflow_id="w")
    gone("w")
    assert nf.get_status("w") == "RESUMABLE"
    with answers(good="approve"):
        assert nf.run(asks("Good?"), workflow_id="w") == "approve"


def test_while_something_else_can_move_the_run_nobody_is_missed(alone: None) -> None:
    both = nf.task(lambda decision, _: str(decision), name="both")
    with pytest.raises(WaitingForHuman):
        nf.run(both.bind(asks("Good?"), nf.sleep(0.3)), workflow_id="w")
    gone("w")
    assert nf.get_output("w", task_id="sleep") is None


def test_answers_stand_ready_by_node_title_or_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    dag = [asks("A?"), asks("B?"), nf.wait_for_event(nf.FormListener, "C?", {"properties": {"n": {"type": "integer"}}})]
    with answers({"A?": "approve", "*": "reject", "c": {"option": "submit", "n": 5}}):
        a, b, c = nf.run(dag)
    assert (a, b, c["n"], a.source) == ("approve", "reject", 5, "answers")
    with answers(a={"option": "approve", "comment": "seen"}):
        assert nf.run(asks("A?")).comment == "seen"
    field = {"properties": {"comment": {"type": "string"}}}
    with answers(a={"comment": "of the form"}):
        assert nf.run(nf.wait_for_event(nf.FormListener, "A?", field))["comment"] == "of the form"
    monkeypatch.setenv("NBFLOW_ANSWERS", '{"a": "approve"}')
    assert nf.run(asks("A?")) == "approve"


def test_an_answer_that_does_not_fit_fails_and_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with answers(good="perhaps"), pytest.raises(WorkflowExecutionError, match="does not fit"):
        nf.run(asks("Good?"))
    monkeypatch.setenv("NBFLOW_ANSWERS", "{")
    with pytest.raises(WorkflowExecutionError, match="must be JSON"):
        nf.run(asks("Good?"))


def test_of_two_who_answer_at_once_under_one_id_the_second_can_tell_that_it_was_second(folder: Path) -> None:
    run = nf.run_async(nf.wait_for_event(nf.ButtonListener, "Close?", options=["yes", "no"]), workflow_id="w")
    question = until(lambda: events.open_question(run.state, "Close?"))
    assert question.wait is not None
    key, answer_id = question.wait.key, f"{question.node_id}:{question.wait.token}:answer"
    firsts: list[events.Receipt] = []

    class Late(FolderStorage):
        def send(self, workflow_id: str, event: dict[str, Any]) -> bool:
            firsts.append(events.leave(FolderStorage(folder), "w", key, {"option": "yes"}, answer_id, "ann"))
            until(lambda: events.open_question(run.state, "Close?") is None)
            until(lambda: not os.listdir(folder / "runs/w/inbox/new"))  # the owner has taken the first answer
            return super().send(workflow_id, event)

    second = events.leave(Late(folder), "w", key, {"option": "no"}, answer_id, "bo")
    assert (firsts[0].status, second.status) == ("queued", "queued")
    records = [decode(wire) for wire in FolderStorage(folder).read_run("w")]
    [taken] = [record.payload for record in records if isinstance(record, EventReceived)]
    assert not events.is_anothers(taken, firsts[0])
    assert events.is_anothers(taken, second)

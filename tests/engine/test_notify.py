"""Who is told of a question: each one once, whatever fails, and the run never waits for it."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.core.codec import decode
from nbflow.core.records import Notified
from nbflow.engine import notify
from nbflow.engine.host import Host
from nbflow.engine.notify import Notification
from nbflow.handle import Run
from nbflow.testing import answers
from tests.engine.tools import VirtualClock, finish, kill_at, script, until

TOLD: list[Any] = []


@pytest.fixture(autouse=True)
def nobody_was_told() -> None:
    TOLD.clear()


class Post:
    """A function that tells; stored by its name, so that it writes to this module's list."""

    def __init__(self, name: str, failures: int = 0) -> None:
        self.name, self.failures = name, failures

    def __call__(self, note: Notification) -> None:
        TOLD.append((self.name, note))
        if sum(name == self.name for name, _ in TOLD) <= self.failures:
            raise ConnectionError("no line to https://hooks.example.org/T0/SECRET today")


def ask(**more: Any) -> Any:
    return nf.wait_for_event(nf.ButtonListener, "Publish?", **more)


def told(run: Run) -> list[Notified]:
    """Return what the journal says of notifications."""
    records = [decode(wire) for wire in run._host.storage.read_run(run.workflow_id)]
    return [record for record in records if isinstance(record, Notified)]


def names() -> list[str]:
    return [name for name, _ in TOLD]


# ---- once ----


def test_a_person_is_told_what_is_asked_and_where_to_answer(host: Host) -> None:
    host.link_to = lambda run, node, token: f"http://localhost/{run}/{node}/{token}"
    run = nf.run_async(
        ask(message="Look **well**.", options=["yes", "no"], assigned_to="ana", notify=Post("a")), workflow_id="churn"
    )
    until(lambda: told(run))
    note = TOLD[0][1]
    assert note == Notification(
        "Publish?", "Look **well**.", "churn", "publish", ("yes", "no"), ("ana",), "http://localhost/churn/publish/1"
    )
    assert "Run churn waits for: yes or no\nFor ana\nhttp://localhost/churn/publish/1" in str(note)
    run.cancel()


def test_while_an_endpoint_runs_the_link_leads_to_the_question(host: Host) -> None:
    endpoint = nf.serve()
    run = nf.run_async(ask(notify=Post("a")), workflow_id="churn")
    until(lambda: told(run))
    with urllib.request.urlopen(TOLD[0][1].link, timeout=20) as page:
        assert page.status == 200
    assert TOLD[0][1].link.startswith(f"{endpoint.url}/q/")
    endpoint.close()
    run.cancel()


def test_each_of_a_list_is_told_once_also_by_the_next_owner(host: Host) -> None:
    run = nf.run_async(ask(notify=[Post("a"), Post("b")]), workflow_id="churn")
    until(lambda: len(told(run)) == 2)
    run.detach()
    again = nf.resume_async("churn")
    until(lambda: again.questions)
    again.answer("publish", "approve")
    again.result(20)
    assert sorted(names()) == ["a", "b"]
    assert any("notification 1 of wait 1 was sent" in line for line in again.story("publish"))


def test_who_was_not_told_yet_is_told_by_the_next_owner_and_nobody_else(
    host: Host, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "AT_ONCE", 1)  # one after the other: whoever is told again comes before the last
    run = nf.run_async(ask(notify=[Post("a"), Post("b", failures=1)]), workflow_id="churn")
    until(lambda: len(told(run)) == 1 and len(TOLD) == 2 and clock.next is not None)
    run.detach()
    again = nf.resume_async("churn")
    until(lambda: len(told(again)) == 2)
    assert sorted(names()) == ["a", "b", "b"]
    again.cancel()


def test_a_question_that_is_asked_anew_is_told_anew(host: Host, clock: VirtualClock) -> None:
    run = nf.run_async(ask(timeout=10, notify=Post("a")), workflow_id="churn")
    until(lambda: told(run))
    clock.advance(11)
    with pytest.raises(nf.errors.WorkflowExecutionError):  # type: ignore[attr-defined]
        run.result(20)
    again = nf.resume_async("churn")
    until(lambda: len(told(again)) == 2)
    assert names() == ["a", "a"]
    again.cancel()


def test_nobody_is_told_of_a_question_whose_answer_stands_ready(host: Host) -> None:
    with answers(publish="approve"):
        assert nf.run(ask(notify=Post("a")), workflow_id="churn") == "approve"
    assert TOLD == []


def test_a_coroutine_function_tells_too(host: Host) -> None:
    async def tell(note: Notification) -> None:
        TOLD.append(("coroutine", note.title))

    run = nf.run_async(ask(notify=tell), workflow_id="churn")
    until(lambda: told(run))
    run.cancel()


# ---- what fails ----


def test_what_fails_is_tried_again_later_and_later(host: Host, clock: VirtualClock) -> None:
    run = nf.run_async(ask(notify=Post("a", failures=2)), workflow_id="churn")
    for pause in notify.PAUSES[:2]:
        until(lambda pause=pause: clock.next == pytest.approx(pause))
        clock.advance(pause)
    until(lambda: told(run))
    assert names() == ["a"] * 3 and told(run)[0].trouble == ""
    run.cancel()


def test_at_last_it_becomes_a_notice_without_the_address_and_is_not_tried_by_the_next_owner(
    host: Host, clock: VirtualClock, folder: Path
) -> None:
    run = nf.run_async(ask(notify=Post("a", failures=99)), workflow_id="churn")
    for pause in notify.PAUSES:
        until(lambda pause=pause: clock.next == pytest.approx(pause))
        clock.advance(pause)
    found = until(lambda: told(run))
    assert found[0].trouble == "ConnectionError"
    notices = host.runners["churn"].notices
    assert len(TOLD) == len(notify.PAUSES) + 1
    assert any("'publish'" in line and "<address>" in line for line in notices)
    assert not any("SECRET" in line for line in notices)
    run.detach()
    again = nf.resume_async("churn")
    until(lambda: again.questions)
    again.answer("publish", "approve")
    again.result(20)
    assert len(TOLD) == len(notify.PAUSES) + 1
    assert b"SECRET" not in b"".join(path.read_bytes() for path in folder.rglob("j-*.jsonl"))


def test_a_question_that_was_answered_is_not_told_any_more(host: Host, clock: VirtualClock) -> None:
    run = nf.run_async(nf.task(lambda *x: x[0]).bind(ask(notify=Post("a", failures=99)), nf.wait_for_event("end")))
    until(lambda: clock.next == pytest.approx(notify.PAUSES[0]))
    run.answer("publish", "approve")
    until(lambda: clock.next is None)
    run.send("end")
    run.result(20)
    assert names() == ["a"] and told(run) == []


def test_a_deaf_host_holds_up_neither_the_run_nor_the_others(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "LIMIT", 0.2)
    monkeypatch.setattr(notify, "PAUSES", ())
    gate = threading.Event()
    deaf = [_Deaf(gate) for _ in range(notify.AT_ONCE)]
    asked = [nf.wait_for_event(nf.ButtonListener, f"Go {i}?", notify=each) for i, each in enumerate(deaf)]
    run = nf.run_async(nf.task(lambda *x: len(x), name="count").bind(*asked, ask(notify=Post("a"))))
    until(lambda: len(told(run)) == len(deaf) + 1)
    assert sorted(each.trouble for each in told(run)) == ["", *["TimeoutError"] * len(deaf)]
    for question in run.questions:
        assert run.answer(question, "approve")
    assert run.result(20) == len(deaf) + 1
    gate.set()


class _Deaf:
    _gates: dict[int, threading.Event] = {}  # noqa: RUF012  (an event cannot be pickled)

    def __init__(self, gate: threading.Event) -> None:
        self.gate = id(gate)
        self._gates[self.gate] = gate

    def __call__(self, note: Notification) -> None:
        self._gates[self.gate].wait(20)


# ---- what may be given ----


@pytest.mark.parametrize("target", ["slack://token@channel", "https://x.org/?key=SECRET", "env:", "env:A B", ""])
def test_an_address_is_refused_before_anything_is_stored(target: str, folder: Path) -> None:
    with pytest.raises(ValueError, match="env:NAME") as refused:
        ask(notify=[Post("a"), target])
    assert "SECRET" not in str(refused.value)
    assert not folder.exists()


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="a function"):
        ask(notify=[7])


def test_an_address_that_a_task_computed_fails_the_question(host: Host) -> None:
    address = nf.task(lambda: "json://localhost", name="address")
    with pytest.raises(nf.errors.WorkflowExecutionError, match="takes no address"):  # type: ignore[attr-defined]
        nf.run(ask(notify=address.bind()))


# ---- addresses ----


@pytest.fixture
def service() -> Iterator[tuple[str, list[Any]]]:
    """Give the address of a real service that takes notifications as JSON, and what it has taken."""
    taken: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"json://user:SECRET@127.0.0.1:{server.server_port}/hook", taken
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_address_in_the_environment_is_told_by_apprise_and_stored_nowhere(
    host: Host, folder: Path, service: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, taken = service
    monkeypatch.setenv("TEAM_CHAT", address)
    run = nf.run_async(ask(message="Look well.", notify="env:TEAM_CHAT"), workflow_id="churn")
    until(lambda: told(run))
    assert told(run)[0].trouble == ""
    assert taken[0]["title"] == "Publish?"
    assert taken[0]["message"].startswith("Look well.\nRun churn waits for: approve or reject")
    run.cancel()
    nf.shutdown()
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"TEAM_CHAT" in stored and b"SECRET" not in stored


@pytest.mark.parametrize(
    ("address", "says"),
    [("", "is not set"), ("nonsense", "no address"), ("json://u:SECRET@127.0.0.1:1/", "did not take it")],
)
def test_an_address_that_does_not_work_is_told_by_the_name_of_its_variable(
    host: Host, address: str, says: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notify, "PAUSES", ())
    monkeypatch.setenv("TEAM_CHAT", address)
    run = nf.run_async(ask(notify="env:TEAM_CHAT"), workflow_id="churn")
    until(lambda: told(run))
    said = " ".join(host.runners["churn"].notices)
    assert "TEAM_CHAT" in said and says in said and "SECRET" not in said
    assert "SECRET" not in "".join(capfd.readouterr())
    run.cancel()


# ---- a killed process ----


def test_a_restart_after_a_kill_tells_nobody_twice(tmp_path: Path, folder: Path) -> None:
    program = """
        import sys, time, nbflow as nf
        nf.init(storage=sys.argv[1])
        def tell(note):
            with open(sys.argv[2], "a") as told:
                told.write(note.node_id + chr(10))
        ok = nf.wait_for_event(nf.ButtonListener, "Publish?", notify=tell)
        run = nf.run_async(ok, workflow_id="churn")
        while "was sent" not in str(run.story("publish")):
            time.sleep(0.01)
        print("told", flush=True)
        if len(sys.argv) > 3:
            while not run.questions:
                time.sleep(0.01)
            run.answer("publish", "approve")
            print(run.result())
        else:
            run.result(30)
    """
    kill_at(script(program, folder, tmp_path / "told"), "told")
    finish(script(program, folder, tmp_path / "told", "answer"))
    assert (tmp_path / "told").read_text().split() == ["publish"]

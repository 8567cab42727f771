"""The kernel's side of the dashboard: what it reads, what it sends, and what becomes of answers to runs of others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from front_end import FrontEnd, front_end
from kernels import Kernel

import nbflow as nf
from nbflow import home
from nbflow.engine.host import Host
from nbflow.engine.loop import EngineLoop
from nbflow.engine.summary import summary_of
from nbflow.handle import Run
from nbflow.notebook.dashboard import Dashboard, acts, asked, dashboard
from nbflow.notebook.dashboard.board import ELSEWHERE, HERE, NOBODY, Board
from nbflow.notebook.dashboard.worker import Worker
from nbflow.storage.folder import FolderStorage
from nbflow.views.questions import Question

Json = dict[str, Any]
SOON = 10.0


@nf.task
def say(*parts: Any) -> str:
    return " ".join(map(str, parts))


def ask(title: str = "Go?", **more: Any) -> Any:
    return nf.wait_for_event(nf.ButtonListener, title, options=["approve", "reject"], **more)


def until(reached: Callable[[], Any]) -> Any:
    """Return what is reached, soon."""
    end = time.monotonic() + SOON
    while not (found := reached()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def host(folder: Path) -> Iterator[Host]:
    """Give the host of this kernel."""
    nf.init(storage=FolderStorage(folder, durability="lazy"))
    yield home.default_host()
    nf.shutdown()


@pytest.fixture
def other(folder: Path, host: Host) -> Iterator[Host]:
    """Give another kernel's host on the same folder."""
    made = Host(FolderStorage(folder, durability="lazy"), EngineLoop())
    yield made
    made.engine.call(made.close)
    made.engine.close()


@pytest.fixture
def browser() -> Iterator[FrontEnd]:
    with front_end() as found:
        yield found


@pytest.fixture
def show(browser: FrontEnd, host: Host) -> Iterator[Callable[..., Dashboard]]:
    boards: list[Dashboard] = []

    def make(storage: Any = None) -> Dashboard:
        boards.append(dashboard(storage))
        return boards[-1]

    yield make
    for board in boards:
        board.close()


def start(host: Host, workflow_id: str, dag: Any) -> Run:
    """Start a run of a host and return when its questions are open and listed."""
    run = Run(host, workflow_id, host.engine.start(host.run, workflow_id, dag, ((), {}), None, _context()))
    until(lambda: run._runner() is not None and run.questions)
    until(lambda: (entry := host.storage.entry(workflow_id)) and entry.status.get("questions"))
    return run


def _context() -> Any:
    from nbflow.engine.context import task_context

    return task_context()


def question(board: Dashboard, run: str) -> Json | None:
    board.refresh()
    return next((each for each in board.board_now()["asks"].values() if each["run"] == run), None)


def answer(board: Dashboard, ask_id: str, option: str = "approve", **more: Any) -> None:
    FrontEnd.say(board, t="answer", view="v", id=ask_id, option=option, values={}, comment="", **more)


# ---- runs of others ----


def test_an_answer_to_a_run_of_another_kernel_reaches_it_and_is_shown_as_decided(
    other: Host, browser: FrontEnd, show: Callable[..., Dashboard]
) -> None:
    run = start(other, "theirs", say.bind("it is", ask()))
    board = show()
    assert board.board_now()["runs"]["theirs"][-2] == ELSEWHERE
    asked_now = question(board, "theirs")
    assert asked_now is not None and asked_now["subject"] == "Go?" and not asked_now["idle"]
    answer(board, asked_now["id"])
    receipt = until(lambda: browser.told("receipt"))[0]
    assert (receipt["status"], receipt["reason"]) == ("queued", acts.TAKEN)
    assert run.result(SOON) == "it is approve"
    decided = until(lambda: (now := question(board, "theirs")) and now["state"] == "done" and now)
    assert decided["answer"] == "approve"
    assert until(lambda: board.refresh() or board.board_now()["runs"]["theirs"][1] == "done")


def test_of_two_kernels_that_answer_at_once_one_is_told_that_it_was_second(other: Host, host: Host) -> None:
    run = start(other, "theirs", say.bind(ask()))
    run.detach()
    name = asked.ask_id("theirs", str(run.state.nodes[run.state.index["go"]].wait.token))  # type: ignore[union-attr]
    first = acts.answer(host, name, {"option": "reject"})
    second = acts.answer(host, name, {"option": "approve"})
    assert (first.status, second.status) == ("queued", "duplicate")
    assert nf.resume("theirs") == "reject"


def test_an_answer_to_a_run_that_nobody_runs_is_kept_until_it_goes_on(
    other: Host, browser: FrontEnd, show: Callable[..., Dashboard]
) -> None:
    start(other, "theirs", say.bind(ask())).detach()
    board = show()
    idle = question(board, "theirs")
    assert idle is not None and idle["state"] == "open" and idle["idle"]
    assert board.board_now()["runs"]["theirs"][-2] == NOBODY
    answer(board, idle["id"])
    assert until(lambda: browser.told("receipt"))[0]["reason"] == acts.KEPT
    sent = question(board, "theirs")
    assert sent is not None and sent["sent"] == "approve"
    FrontEnd.say(board, t="resume", run="theirs")
    assert until(lambda: nf.get_status("theirs") == "SUCCESSFUL")
    assert nf.get_output("theirs") == "approve"


def test_a_run_that_lives_elsewhere_is_canceled_by_its_owner_but_not_resumed_here(
    other: Host, browser: FrontEnd, show: Callable[..., Dashboard]
) -> None:
    run = start(other, "theirs", say.bind(ask()))
    board = show()
    FrontEnd.say(board, t="resume", run="theirs")
    told = until(lambda: [each for each in browser.told("told") if "resume" in each["text"]])
    assert "is live in" in told[0]["text"]
    assert run.questions
    FrontEnd.say(board, t="cancel", run="theirs")
    assert until(lambda: run.status == "CANCELED")
    assert until(lambda: board.refresh() or board.board_now()["runs"]["theirs"][1] == "canceled")


def test_an_answer_to_a_run_here_goes_straight_to_it(
    host: Host, browser: FrontEnd, show: Callable[..., Dashboard]
) -> None:
    run = start(host, "mine", say.bind(ask()))
    board = show()
    assert board.board_now()["runs"]["mine"][-2] == HERE
    mine = question(board, "mine")
    assert mine is not None
    answer(board, mine["id"])
    assert until(lambda: browser.told("receipt"))[0]["status"] == "delivered"
    assert run.result(SOON) == "approve"
    answer(board, mine["id"])
    assert until(lambda: len(browser.told("receipt")) == 2) and browser.told("receipt")[1]["status"] == "closed"


def test_an_answer_that_does_not_fit_is_refused_before_it_is_sent(
    other: Host, browser: FrontEnd, show: Callable[..., Dashboard]
) -> None:
    run = start(other, "theirs", say.bind(ask(require_comment=True)))
    board = show()
    theirs = question(board, "theirs")
    assert theirs is not None
    answer(board, theirs["id"])
    receipt = until(lambda: browser.told("receipt"))[0]
    assert receipt["status"] == "rejected" and "comment" in receipt["errors"]
    assert run.questions


def test_the_opened_picture_of_another_kernels_run_can_be_turned_and_follows(
    other: Host, browser: FrontEnd, show: Callable[..., Dashboard]
) -> None:
    run = start(other, "theirs", say.bind(say.bind("a"), ask()))
    board = show()
    FrontEnd.say(board, t="open", run="theirs")
    until(lambda: board.opened)
    opened = board._opened
    assert opened is not None and board.opened == {"run": "theirs", "view": opened.view.model_id}
    turned = {"LR": "TB", "TB": "LR"}[opened.view.topo["rankdir"]]
    FrontEnd.say(opened.view, t="dir", dir=turned)
    assert until(lambda: opened.view.topo["rankdir"] == turned)
    run.answer("Go?", "approve")
    assert until(lambda: board.refresh() or opened.view.st == "sss")
    assert opened.view.topo["rankdir"] == turned and opened.view.run["state"] == "done"
    FrontEnd.say(board, t="open", run="")
    assert until(lambda: not board.opened) and opened.view.comm is None


def test_the_opened_picture_of_a_run_that_nobody_runs_says_so(
    other: Host, browser: FrontEnd, show: Callable[..., Dashboard]
) -> None:
    start(other, "theirs", say.bind(ask())).detach()
    board = show()
    FrontEnd.say(board, t="open", run="theirs")
    until(lambda: board.opened)
    assert board._opened is not None and board._opened.view.run["state"] == "resumable"
    FrontEnd.say(board._opened.view, t="cancel")
    assert until(lambda: board.refresh() or board._opened.view.run["state"] == "canceled")


def test_the_question_of_a_canceled_run_is_closed(host: Host, show: Callable[..., Dashboard]) -> None:
    run = start(host, "mine", say.bind(ask()))
    board = show()
    run.cancel()
    closed = until(lambda: (now := question(board, "mine")) and now["state"] == "closed" and now)
    assert closed["subject"] == "Go?"


# ---- what is sent ----


def test_only_what_changed_is_sent_and_nothing_when_nothing_did(host: Host, show: Callable[..., Dashboard]) -> None:
    nf.run(say.bind("a"), workflow_id="first")
    board = Board()
    until(lambda: not host.runners)
    assert set(board.look(host)["runs"]) == {"first"}  # type: ignore[index]
    assert board.look(host) is None
    nf.run(say.bind("b"), workflow_id="second")
    until(lambda: not host.runners)
    changed = board.look(host)
    assert changed is not None and set(changed) == {"v", "runs"} and set(changed["runs"]) == {"second"}
    nf.delete("first")
    assert board.look(host) == {"v": 3, "runs": {"first": None}}
    assert set(board.whole()["runs"]) == {"second"} and board.whole()["v"] == 3


def test_a_page_that_comes_late_gets_the_whole_board_and_one_that_is_up_to_date_nothing(
    host: Host, browser: FrontEnd, show: Callable[..., Dashboard]
) -> None:
    nf.run(say.bind("a"), workflow_id="first")
    until(lambda: not host.runners)
    board = show()
    assert set(browser.state["board"]["runs"]) == {"first"}
    FrontEnd.say(board, t="hello", view="v1", v=board.board_now()["v"])
    board.refresh()
    assert browser.told("whole") == []
    FrontEnd.say(board, t="hello", view="v2", v=0)
    whole = until(lambda: browser.told("whole"))[0]
    assert set(whole["runs"]) == {"first"} and board.get_state("board")["board"]["v"] == whole["v"]


def test_a_journal_is_read_only_for_runs_that_ask_and_only_when_they_ask_anew(
    other: Host, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        nf.run(say.bind(i), workflow_id=f"quiet-{i}")
    start(other, "theirs", say.bind(ask()))
    reads: list[str] = []
    real = asked.read
    monkeypatch.setattr(asked, "read", lambda storage, name: reads.append(name) or real(storage, name))
    board = Board()
    for _ in range(5):
        board.look(host)
    assert reads == ["theirs"]


def test_of_very_many_questions_those_of_the_oldest_runs_are_shown(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "CARDS", 2)
    for i in range(4):
        start(host, f"run-{i}", say.bind(ask(f"Go {i}?")))
    board = Board()
    board.look(host)
    shown = [each["subject"] for each in board.whole()["asks"].values()]
    assert shown == ["Go 0?", "Go 1?"] and board.whole()["more"] == 2


def test_a_storage_that_cannot_be_read_is_said_once_and_taken_back(
    host: Host, folder: Path, browser: FrontEnd, show: Callable[..., Dashboard], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = show()
    real = host.storage.list_runs

    def fails() -> Any:
        raise nf.errors.StorageError("the disk is gone")  # type: ignore[attr-defined]

    monkeypatch.setattr(host.storage, "list_runs", fails)
    FrontEnd.say(board, t="hello", view="v", v=0)
    assert "the disk is gone" in until(lambda: browser.told("trouble"))[0]["text"]
    monkeypatch.setattr(host.storage, "list_runs", real)
    assert until(lambda: len(browser.told("trouble")) == 2) and browser.told("trouble")[1]["text"] == ""


def test_the_summary_of_a_run_names_each_question_by_its_token(host: Host) -> None:
    run = start(host, "mine", say.bind(ask("One?"), ask("Two?")))
    questions = summary_of(run.state)["questions"]
    assert [each["title"] for each in questions] == ["One?", "Two?"]
    assert len({each["token"] for each in questions}) == 2
    run.detach()
    assert [each["title"] for each in summary_of(run.state)["questions"]] == ["One?", "Two?"]


# ---- the thread ----


def test_nothing_is_looked_at_while_nobody_watches() -> None:
    looks: list[float] = []
    worker = Worker(lambda: looks.append(time.monotonic()), lambda wrong: None)
    assert worker.left() is None
    worker.heard(True)
    until(lambda: looks)
    assert worker.left() is not None
    worker.heard(False)
    assert worker.left() is None
    worker.end()


def test_a_page_that_fell_silent_is_looked_at_rarely_and_then_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("nbflow.notebook.dashboard.worker.time", type("T", (), {"monotonic": lambda: now[0]}))
    worker = Worker(lambda: None, lambda wrong: None)
    worker.watched, worker._heard, worker._looked = True, now[0], now[0]
    assert worker.left() == 1.0
    now[0] += 31
    worker._looked = now[0]
    assert worker.left() == 10.0
    now[0] += 600
    assert worker.left() is None


def test_a_failing_look_ends_neither_the_thread_nor_the_looks() -> None:
    failures: list[BaseException] = []

    def look() -> None:
        raise OSError("no disk")

    worker = Worker(look, failures.append)
    worker.hurry()
    worker.heard(True)
    until(lambda: len(failures) >= 2)
    assert worker.submit(lambda: 7).result(SOON) == 7
    worker.end()
    until(lambda: worker._thread is not None and not worker._thread.is_alive())


def test_a_closed_dashboard_leaves_no_thread(host: Host, browser: FrontEnd) -> None:
    board = dashboard()
    board.refresh()
    board.close()
    board.close()
    assert "nbflow-dashboard" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(RuntimeError, match="was closed"):
        board.refresh()


# ---- places ----


def test_without_a_front_end_there_is_a_table_and_the_questions(host: Host, show: Callable[..., Dashboard]) -> None:
    start(host, "mine", say.bind(ask()))
    board = show()
    bundle, _ = board._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"].startswith("◆ mine: Go? [Approve / Reject]\n") and "Waiting for you" in repr(board)
    assert "<table" in bundle["text/html"] and "mine: Go?" in bundle["text/html"]


def test_a_dashboard_outlives_a_shutdown_and_follows_the_kernels_next_host(
    host: Host, folder: Path, show: Callable[..., Dashboard]
) -> None:
    nf.run(say.bind("a"), workflow_id="first")
    board = show(folder)
    nf.shutdown()
    board.refresh()
    assert set(board.board_now()["runs"]) == {"first"}
    nf.init(storage=folder)
    nf.run(say.bind("b"), workflow_id="second")
    board.refresh()
    assert set(board.board_now()["runs"]) == {"first", "second"}
    assert board._place.host() is home.default_host()


def test_another_folder_has_a_host_apart(host: Host, tmp_path: Path, show: Callable[..., Dashboard]) -> None:
    nf.run(say.bind("a"), workflow_id="first")
    board = show(tmp_path / "elsewhere")
    assert board.board_now()["runs"] == {}
    assert board._place.host() is not host and board._place.host() is show(tmp_path / "elsewhere")._place.host()


def test_a_host_apart_ends_with_its_last_dashboard(host: Host, tmp_path: Path, browser: FrontEnd) -> None:
    first, second = dashboard(tmp_path / "elsewhere"), dashboard(tmp_path / "elsewhere")
    apart = first._place.host()
    first.close()
    assert apart.engine.thread.is_alive() and second._place.host() is apart
    second.close()
    assert not apart.engine.thread.is_alive()


def test_a_question_that_is_shown_is_a_whole_message() -> None:
    shown = Question(0, "ok", 7, "ok", "open", "Go?", options=("approve",)).to_message()
    assert asked.split_id(asked.ask_id("a:b", "7")) == ("a:b", "7")
    assert shown["id"] == "7"


def test_a_busy_cell_holds_up_no_dashboard(kernel: Kernel, tmp_path: Path) -> None:
    """On every ipykernel line runs that come while a cell computes are told before the cell ends."""
    kernel.run(f"""
import nbflow as nf, threading, time
nf.init(storage={str(tmp_path / "runs")!r})
one = nf.task(lambda: 1, name="one")
board = nf.dashboard()
""")
    comm_id = kernel.run("print(board.comm.comm_id)")
    kernel.tell_comm(comm_id, {"method": "custom", "content": {"t": "hello", "view": "v", "v": 0}})
    kernel.run("pass")
    cell = kernel.send("nf.run_async(one.bind(), workflow_id='while-busy'); time.sleep(4); print('cell ended')")

    def told() -> bool:
        found = [m["content"]["data"].get("content", {}) for m in kernel.said if m["msg_type"] == "comm_msg"]
        return any("while-busy" in each.get("runs", {}) for each in found if each.get("t") == "changed")

    kernel.until(told, "the run that came while the cell was busy")
    assert "cell ended" not in kernel.printed(cell)
    kernel.reply(cell)
    kernel.run("board.close(); nf.shutdown()")

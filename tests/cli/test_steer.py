"""Runs are gone on with, canceled and deleted from a terminal, whoever has them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from .commands import COMMAND, SOON, Owner, Shell, program
from .terminals import CTRL_C, Terminal, plain

SLOW = """
    import os, sys, time
    def body(x):
        time.sleep(60 if os.environ.get("SLOW") else 0)
        return x + 1
    run = nf.run_async(nf.task(body, name="body").bind(nf.wait_for_event("go")), workflow_id="slow")
    while not run.state.waiting:
        time.sleep(0.01)
"""


# ---- cancel ----


def test_a_run_that_another_process_has_is_canceled_by_it(nbflow: Shell, owner: Owner) -> None:
    said = nbflow.real("cancel", "books", "--by", "ana")
    assert (said.code, said.out) == (0, "books canceled\n")
    rows = {row[0]: row[1:3] for row in nbflow("list").rows}
    assert rows["books"] == ["CANCELED", "idle"] and rows["release"] == ["RUNNING", "live"]
    assert "the run was canceled by ana" in nbflow("story", "books", "close_the_books").out
    again = nbflow.real("cancel", "books")
    assert again.code == 4 and "is CANCELED already" in again.err


def test_a_run_whose_owner_was_killed_is_canceled_here(nbflow: Shell, owner: Owner) -> None:
    owner.kill()
    assert nbflow.real("cancel", "books", "--json").json == {"run": "books", "status": "CANCELED"}
    assert nbflow("show", "books", "--json").json["status"] == "CANCELED"


def test_an_owner_that_stands_still_is_named(nbflow: Shell, owner: Owner) -> None:
    code = "import nbflow.engine.ending as e, sys; e.PATIENCE = 0.5; from nbflow.cli import main; sys.exit(main())"
    owner.process.send_signal(signal.SIGSTOP)
    said = nbflow.run([sys.executable, "-c", code, "cancel", "books"])
    owner.process.send_signal(signal.SIGCONT)
    assert said.code == 4 and f"process {owner.process.pid}" in said.err and "did not answer" in said.err
    end = subprocess.run([COMMAND, "cancel", "books"], env=nbflow.env, capture_output=True, text=True)
    assert end.returncode in (0, 4), "it was asked already and may have done so meanwhile"
    assert nbflow("show", "books", "--json").json["status"] == "CANCELED"


def test_one_wait_is_ended_by_the_process_that_has_the_run(nbflow: Shell, owner: Owner) -> None:
    unknown = nbflow.real("cancel-wait", "the invoice", "nothing")
    assert unknown.code == 3 and "has no open wait 'nothing'; open now: 'wait_for_invoice'" in unknown.err
    said = nbflow.real("cancel-wait", "the invoice", "wait_for_invoice", "--by", "ana")
    assert (said.code, said.out) == (0, "the invoice: wait_for_invoice waits no more\n")
    assert "it was canceled by ana" in nbflow("story", "the invoice", "wait_for_invoice").out
    titled = nbflow("cancel-wait", "books", "Close the books?", "--json")
    assert titled.json == {"run": "books", "wait": "Close the books?", "status": "ENDED"}
    assert nbflow("show", "release", "--json").json["status"] == "RUNNING"


def test_a_run_that_nobody_has_waits_for_nothing_that_could_be_ended(nbflow: Shell, owner: Owner) -> None:
    owner.kill()
    said = nbflow("cancel-wait", "the invoice", "wait_for_invoice")
    assert said.code == 4 and "Nobody runs 'the invoice'" in said.err
    assert "`nbflow resume 'the invoice'` first" in said.err
    nbflow("cancel", "the invoice")
    over = nbflow("cancel-wait", "the invoice", "wait_for_invoice")
    assert over.code == 4 and "'the invoice' is CANCELED and waits for nothing any more" in over.err


# ---- delete ----


def test_a_live_run_is_not_deleted_and_one_that_has_ended_is(nbflow: Shell, owner: Owner) -> None:
    live = nbflow.real("delete", "books")
    assert live.code == 4 and "'nbflow cancel books' first" in live.err
    nbflow.real("cancel", "books")
    assert nbflow.real("delete", "books").code == 0
    assert nbflow("show", "books").code == 3
    assert not (nbflow.storage / "runs/books").exists()


def test_at_a_terminal_it_is_asked_before_anything_is_deleted(nbflow: Shell, storage: Path) -> None:
    program(storage, 'nf.run(nf.task(lambda: 1, name="one").bind(), workflow_id="done")')
    for said, code, there in (("", 4, 0), ("n", 4, 0), ("y", 0, 3)):
        terminal = Terminal(nbflow, "delete", "done")
        terminal.sees("Delete run 'done' and all that is stored of it? [y/N] ")
        terminal.types(said)
        assert terminal.ends()[1] == code
        assert nbflow("show", "done").code == there
    program(storage, 'nf.run(nf.task(lambda: 1, name="one").bind(), workflow_id="done")')
    assert Terminal(nbflow, "delete", "done", "--yes").ends()[1] == 0


# ---- resume ----


def test_a_run_goes_on_to_its_end_and_its_value_is_printed(nbflow: Shell, storage: Path) -> None:
    program(storage, SLOW)
    nbflow("send", "slow", "go", "--json", "41")
    said = nbflow.real("resume", "slow")
    assert (said.code, said.out) == (0, "42\n")
    assert said.err.splitlines()[-1] == "✓ slow: 2 done"
    assert nbflow.real("resume", "slow", "--json").json == {"run": "slow", "status": "SUCCESSFUL", "value": "42"}


def test_what_has_not_begun_has_no_tick_in_the_lines_of_progress(nbflow: Shell, storage: Path) -> None:
    program(storage, 'nf.run_async(nf.wait_for_event("go"), workflow_id="waits").detach()')
    nbflow("send", "waits", "go")
    lines = nbflow.real("resume", "waits").err.splitlines()
    assert lines[-1] == "✓ waits: 1 done"
    assert all("✓" not in line for line in lines[:-1]), lines


def test_a_run_that_fails_says_where_and_what_to_type(nbflow: Shell, storage: Path) -> None:
    program(storage, SLOW)
    nbflow("send", "slow", "go", "--text", "no number")
    said = nbflow.real("resume", "slow")
    assert said.code == 1 and "body" in said.err and "'nbflow story slow body' tells how" in said.err
    assert said.out == ""


def test_a_run_that_is_live_elsewhere_or_canceled_is_not_resumed(nbflow: Shell, owner: Owner) -> None:
    live = nbflow.real("resume", "books")
    assert live.code == 4 and f"process {owner.process.pid}" in live.err
    assert "'nbflow resume books --takeover'" in live.err
    nbflow.real("cancel", "books")
    canceled = nbflow.real("resume", "books")
    assert canceled.code == 4 and "canceled" in canceled.err


def test_where_nobody_can_be_asked_the_run_stays_resumable(nbflow: Shell, owner: Owner) -> None:
    owner.end()
    said = nbflow.real("resume", "books", NBFLOW_HUMAN_TIMEOUT="0.2")
    assert said.code == 5 and "close_the_books" in said.err
    assert nbflow("show", "books", "--json").json["status"] == "RESUMABLE"


def test_modules_beside_it_are_found(nbflow: Shell, storage: Path) -> None:
    (nbflow.here / "mine_alone.py").write_text("def double(x):\n    return 2 * x\n")
    program(
        storage,
        f"""
        import time
        sys.path.insert(0, {str(nbflow.here)!r})
        import mine_alone
        run = nf.run_async(nf.task(mine_alone.double).bind(nf.wait_for_event("go")), workflow_id="imports")
        while not run.state.waiting:
            time.sleep(0.01)
        """,
    )
    nbflow("send", "imports", "go", "--json", "4")
    assert nbflow.real("resume", "imports").out == "8\n"


def test_at_a_terminal_a_run_asks_there_and_goes_on(nbflow: Shell, owner: Owner) -> None:
    owner.end()
    terminal = Terminal(nbflow, "resume", "books")
    terminal.sees("Close the books?  (run 'books'; for ana)", "Your answer: ")
    terminal.types("1")
    seen, code = terminal.ends()
    assert code == 0 and "Saved: Approve." in seen and "(49, 'approve')" in plain(seen)


def test_ctrl_c_lets_the_run_go_and_says_how_to_go_on(nbflow: Shell, owner: Owner) -> None:
    owner.end()
    terminal = Terminal(nbflow, "resume", "the invoice")
    terminal.sees("waiting")
    terminal.child.send(CTRL_C)
    seen, code = terminal.ends()
    assert code == 130 and "nothing is lost; `nbflow resume 'the invoice'` goes on" in plain(seen)
    assert "Traceback" not in seen
    assert nbflow("show", "the invoice", "--json").json["status"] == "RESUMABLE"


def test_a_run_that_is_canceled_while_it_is_resumed_ends(nbflow: Shell, owner: Owner) -> None:
    owner.end()
    going = subprocess.Popen([str(COMMAND), "resume", "the invoice"], env=nbflow.env, stderr=subprocess.PIPE, text=True)
    assert going.stderr is not None
    assert any("waiting" in line for line in iter(going.stderr.readline, ""))
    assert nbflow.real("cancel", "the invoice").code == 0
    _, rest = going.communicate(timeout=SOON)
    assert going.returncode == 1 and "was canceled" in rest and "Traceback" not in rest


def test_a_killed_resume_is_resumed(nbflow: Shell, storage: Path) -> None:
    program(storage, SLOW)
    nbflow("send", "slow", "go", "--json", "41")
    going = subprocess.Popen(
        [str(COMMAND), "resume", "slow"], env={**nbflow.env, "SLOW": "1"}, stderr=subprocess.PIPE, text=True
    )
    assert going.stderr is not None
    assert "slow: " in going.stderr.readline()
    os.kill(going.pid, signal.SIGKILL)
    going.communicate()
    assert nbflow.real("resume", "slow").out == "42\n"


# ---- serve ----


def test_it_serves_the_runs_that_another_process_has_until_it_is_told_to_end(nbflow: Shell, owner: Owner) -> None:
    serving = subprocess.Popen([str(COMMAND), "serve", "--json"], env=nbflow.env, stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    url = json.loads(serving.stdout.readline())["url"]
    body = json.dumps({"event_key": "invoice", "event_payload": 17, "event_id": "i"}).encode()
    token = (nbflow.storage / "http-token").read_text().strip()
    to = f"{url}/event/send_event/the%20invoice"
    head = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(to, body, head), timeout=SOON) as said:
        assert said.status == 200
    assert nbflow("show", "the invoice", "--json").json["nodes"][0]["value"] == "17"
    serving.send_signal(signal.SIGINT)
    assert serving.wait(SOON) == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=SOON)


@pytest.mark.parametrize("command", ["resume", "cancel", "delete", "salvage", "sign"])
def test_a_run_that_is_not_there_is_said_to_be_so(looking: Shell, command: str) -> None:
    said = looking.real(command, "nobody")
    assert said.code == 3 and "There is no run 'nobody'" in said.err and "'nbflow list'" in said.err

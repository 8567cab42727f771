"""Looking at runs: what a person sees, what a program gets, and that nothing in the folder is ever unpickled."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.tools import script

from .commands import COMMAND, Owner, Shell, program

BROKEN = """
    def fail(x):
        raise ValueError("no moon for " + str(x))
    try:
        nf.run(nf.task(fail, name="fail").bind(nf.task(lambda: [1, 2], name="load").bind()), workflow_id="moon")
    except nf.errors.WorkflowError:
        pass
"""


def test_runs_that_another_process_has_are_listed_in_columns(looking: Shell) -> None:
    rows = {row[0]: row[1:] for row in looking.real("list").rows}
    assert rows.keys() == {"books", "release", "the invoice"}
    status, live, done, total, asks, changed, name = rows["books"]
    assert (status, live, done, total, asks, name) == ("RUNNING", "live", "1", "3", "1", "add_up")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", changed)


def test_the_list_is_one_json_document(looking: Shell) -> None:
    found = looking("list", "--json").json
    books = next(run for run in found["runs"] if run["id"] == "books")
    assert found["storage"] == str(looking.storage)
    assert books["questions"] == ["Close the books?"] and books["live"] is True and books["ended"] is None
    assert found == looking("--json", "list").json, "the option may stand before the command"


def test_runs_are_chosen_by_status_and_number(nbflow: Shell, storage: Path, owner: Owner) -> None:
    program(storage, BROKEN)
    assert [row[0] for row in nbflow("list", "--status", "FAILED").rows] == ["moon"]
    assert len(nbflow("list", "--status", "failed", "--status", "running").rows) == 4
    assert len(nbflow("list", "-n", "2").rows) == 2
    assert nbflow("list", "--status", "canceled").out == ""


def test_a_run_shows_what_it_asks_with_the_command_that_answers(looking: Shell, standing: Owner) -> None:
    shown = looking("show", "books").out
    assert f"in process {standing.process.pid} on " in shown
    assert "Close the books?  (for ana)\n  nbflow answer books close_the_books approve|reject\n" in shown
    assert re.search(r"^load\tdone\t1\t\d\.\d{3}\t\[12, 30, 7\]$", shown, re.MULTILINE)
    assert "nbflow answer release release submit share=.. stage=..\n" in looking("show", "release").out
    assert "'the invoice'" not in looking("show", "the invoice").out
    found = looking("show", "books", "--json").json
    assert found["questions"][0]["options"] == ["approve", "reject"] and found["owner"]["pid"] == standing.process.pid
    states = {node["node"]: node["state"] for node in found["nodes"]}
    assert states == {"load": "done", "close_the_books": "waiting", "add_up": "pending"}


def test_a_run_whose_owner_was_killed_is_shown_as_one_that_can_be_resumed(nbflow: Shell, owner: Owner) -> None:
    owner.kill()
    found = nbflow("show", "books", "--json").json
    assert (found["status"], found["live"], found["owner"]) == ("RESUMABLE", False, None)
    assert "Nobody runs the run now" in nbflow("show", "books").out
    assert {row[1] for row in nbflow("list").rows} == {"RESUMABLE"}


def test_what_may_be_running_in_another_process_is_not_said_to_be_queued_only(nbflow: Shell, storage: Path) -> None:
    code = f"""
    import time
    import nbflow as nf
    nf.init(storage={str(storage)!r})
    def body():
        print("up", flush=True)
        time.sleep(60)
    nf.run(nf.task(body, name="body").bind(), workflow_id="busy")
    """
    process = script(code)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    try:
        (row,) = (row for row in nbflow("show", "busy").rows if row[0] == "body")
        assert row[1] == "queued" and row[4] == "or running: only its process knows"
        (node,) = nbflow("show", "busy", "--json").json["nodes"]
        assert node["note"] == "or running: only its process knows"
    finally:
        process.kill()
        process.communicate()
    (row,) = (row for row in nbflow("show", "busy").rows if row[0] == "body")
    assert row[1:] == ["pending", "", "", ""]


def test_runs_are_counted_from_one_on(looking: Shell) -> None:
    for wrong in ("-1", "0", "x"):
        said = looking("list", "-n", wrong)
        assert said.code == 2 and "a number from 1 on" in said.err


def test_a_story_tells_how_a_node_failed(nbflow: Shell, storage: Path) -> None:
    program(storage, BROKEN)
    rows = nbflow("story", "moon", "fail").rows
    assert rows[-1][2:] == ["failed", "failed for good in attempt 1 with ValueError: no moon for [1, 2]"]
    found = nbflow("story", "moon", "fail", "--json").json
    assert found["story"][-1]["state"] == "failed"
    assert "no moon for [1, 2]" in found["attempts"][0]["error"]["traceback"]
    assert "'nbflow story moon fail' tells how it failed" in nbflow("show", "moon").out


def test_what_a_task_printed_is_printed(nbflow: Shell, owner: Owner) -> None:
    owner.end()
    assert nbflow("logs", "books", "load").out == "loading north\n"
    assert nbflow("logs", "books", "add_up").out == ""


# ---- what is not there ----


def test_where_there_is_no_storage_none_is_made_and_it_is_said(nbflow: Shell, storage: Path) -> None:
    for words in (["list"], ["show", "x"], ["send", "x", "y"], ["resume", "x"], ["cancel", "x"], ["delete", "x"]):
        said = nbflow(*words)
        assert said.code == 3 and "There is no storage in" in said.err and "--storage" in said.err
    assert not storage.exists()
    assert "./.nbflow" in nbflow("list", NBFLOW_STORAGE="./.nbflow").err and not (nbflow.here / ".nbflow").exists()


def test_a_name_that_is_nearly_right_is_offered(looking: Shell) -> None:
    for words, near in (
        (["show", "bokks"], "'books'"),
        (["story", "books", "laod"], "'load'"),
        (["answer", "books", "close_the_book", "approve"], "'close_the_books'"),
    ):
        said = looking(*words)
        assert said.code == 3 and f"did you mean {near}" in said.err, said
        assert said.out == ""


def test_another_folder_may_be_named(looking: Shell) -> None:
    for words in (["--storage", str(looking.storage), "list"], ["list", "--storage", str(looking.storage)]):
        assert len(looking(*words, NBFLOW_STORAGE="elsewhere").rows) == 3


def test_a_damaged_run_is_listed_told_of_and_salvaged(nbflow: Shell, storage: Path) -> None:
    program(storage, BROKEN)
    journal = storage / "runs/moon/j-00000001.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"x" * len(lines[2]), *lines[3:]]))
    (storage / "runs/moon/status.json").unlink()
    said = nbflow("show", "moon")
    assert said.code == 1 and "damaged" in said.err and "salvage" in said.err
    assert nbflow("list").code == 0
    assert "were left aside" in nbflow("salvage", "moon").out
    assert nbflow("show", "moon").code == 0
    assert nbflow("salvage", "moon", "--json").json["damage"] == ""


# ---- a folder of somebody else ----


def test_nothing_but_resume_unpickles_anything(nbflow: Shell, storage: Path, tmp_path: Path) -> None:
    """Code, arguments, results and a notification that write a file wherever they are loaded."""
    mine = tmp_path / "went off"
    program(
        storage,
        f"""
        class Mine:
            armed = False
            def __reduce__(self):
                return (open, ({str(mine)!r}, "a")) if Mine.armed else (Mine, ())
            def __call__(self, *x):
                return Mine()
        Mine.armed = True
        mine = Mine()
        load = nf.task(lambda x: Mine(), name="load")
        ask = nf.wait_for_event(nf.ButtonListener, "Go?", options=["go", "stay"])
        last = nf.task(lambda *x: (_ for _ in ()).throw(ValueError("boom")), name="last")
        dag = last.bind(load.bind([{{"a": mine}}]), ask, nf.wait_for_event("key"))
        run = nf.run_async(dag, workflow_id="evil")
        import time
        while len(run.questions) < 1 or "key" not in run.state.waiting:
            time.sleep(0.01)
        """,
    )
    mine.unlink(missing_ok=True)  # the program itself may load what it stored
    for words in (
        ["list"], ["list", "--json"], ["show", "evil"], ["show", "evil", "--json"], ["story", "evil", "load"],
        ["logs", "evil", "load"], ["send", "evil", "key", "--json", "1"], ["answer", "evil", "go", "go"],
        ["__complete", "show", ""], ["__complete", "answer", "evil", "go", ""], ["__complete", "story", "evil", ""],
    ):  # fmt: skip
        assert nbflow.real(*words).code == 0, words
        assert not mine.exists(), words
    nbflow.real("resume", "evil")
    assert mine.exists(), "the mine is a real one"


# ---- pipes and help ----


def test_a_reader_that_goes_away_is_no_trouble(looking: Shell) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; for i in 1; do '{COMMAND}' show books --json; done | head -c 1"],
        cwd=looking.here, env=looking.env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""
    closed = subprocess.run(
        ["bash", "-c", f"'{COMMAND}' list --json > >(exec 0<&-; sleep 0.3); wait; '{COMMAND}' list >&-; echo $? >&2"],
        cwd=looking.here, env=looking.env, capture_output=True, text=True,
    )  # fmt: skip
    assert "Traceback" not in closed.stderr and "Exception ignored" not in closed.stderr


def test_the_command_alone_shows_its_help_and_a_wrong_one_what_there_is(nbflow: Shell) -> None:
    alone = nbflow.real()
    assert alone.code == 0 and "exit codes:" in alone.out and "nbflow answer books-2026-11" in alone.out
    wrong = nbflow("shwo")
    assert wrong.code == 2 and "'show'" in wrong.err and wrong.out == ""


@pytest.mark.parametrize("command", ["list", "show", "story", "logs", "send", "answer", "resume", "cancel",
                                     "cancel-wait", "delete", "salvage", "sign", "serve", "completion",
                                     "version"])  # fmt: skip
def test_each_command_has_a_help(nbflow: Shell, command: str) -> None:
    said = nbflow(command, "--help")
    assert said.code == 0 and said.out.startswith(f"usage: nbflow {command}")
    assert max(map(len, said.out.splitlines())) <= 110


def test_the_version_is_told_in_three_ways_and_as_a_module(nbflow: Shell) -> None:
    said = nbflow.real("version").out
    assert said.startswith("nbflow ") and said == nbflow.real("--version").out
    assert nbflow.run([sys.executable, "-m", "nbflow", "version"]).out == said
    assert nbflow("version", "--json").json["nbflow"] == said.split()[1]


def test_every_command_starts_without_what_is_heavy(looking: Shell) -> None:
    code = (
        "import sys; from nbflow.cli import main; main(['show', 'books']); print(sorted(sys.modules), file=sys.stderr)"
    )
    said = looking.run([sys.executable, "-c", code])
    loaded = {name.strip("' []\n").split(".")[0] for name in said.err.split(",")}
    assert not loaded & {"pandas", "numpy", "ipywidgets", "anywidget", "tornado", "IPython", "loky"}


def test_documents_are_ascii_in_a_pipe(nbflow: Shell, storage: Path) -> None:
    program(storage, 'nf.run(nf.task(lambda: "ä\\x1b[31m", name="größe").bind(), workflow_id="übung")')
    said = nbflow.real("list", "--json", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert said.code == 0 and said.out.isascii() and json.loads(said.out)["runs"][0]["id"] == "übung"
    assert nbflow.real("list", LC_ALL="C", PYTHONIOENCODING="ascii").code == 0
    assert "\x1b" not in nbflow("show", "übung").out

"""Events and answers from the command line: taken once by whoever has the run, or kept until somebody has it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nbflow.core.answers import decide
from nbflow.engine.inspect import read
from nbflow.storage.folder import FolderStorage

from .commands import COMMAND, Owner, Shell, program
from .terminals import CTRL_C, CTRL_D, Terminal, plain


def decision(storage: Path, run: str, node: str) -> Any:
    """Return what is recorded of an answer."""
    state = read(FolderStorage(storage), run)
    value: Any = state.nodes[state.index[node]].value
    return value and value["v"]


# ---- answer ----


def test_an_answer_reaches_the_process_that_has_the_run(nbflow: Shell, owner: Owner, storage: Path) -> None:
    said = nbflow.real("answer", "books", "close_the_books", "approve", "--by", "ana", "--comment", "seen")
    assert (said.code, said.out) == (0, "delivered to close_the_books\n")
    found = decision(storage, "books", "close_the_books")
    assert (found["option"], found["by"], found["comment"], found["source"]) == ("approve", "ana", "seen", "cli")
    assert nbflow("show", "books", "--json").json["status"] == "SUCCESSFUL"


def test_of_two_answers_the_second_is_told_who_was_first(nbflow: Shell, owner: Owner) -> None:
    assert nbflow("answer", "books", "Close the books?", "Approve", "--by", "ana").code == 0
    said = nbflow("answer", "books", "close_the_books", "reject")
    assert said.code == 4 and "decided already: approve by ana" in said.err and "nbflow show books" in said.err
    again = nbflow("--json", "answer", "books", "close_the_books", "reject")
    assert again.code == 4 and again.json["status"] == "closed" and again.err == ""


def test_many_at_once_make_one_decision(nbflow: Shell, owner: Owner) -> None:
    words = [str(COMMAND), "--json", "answer", "books", "close_the_books"]
    options = ["approve", "reject"] * 3
    started = [
        subprocess.Popen([*words, option], env=nbflow.env, stdout=subprocess.PIPE, text=True) for option in options
    ]
    said = [each.communicate(timeout=60)[0] for each in started]
    assert sorted(each.returncode for each in started) == [0, 4, 4, 4, 4, 4], said


def test_a_form_is_filled_in_by_fields(nbflow: Shell, owner: Owner, storage: Path) -> None:
    wrong = nbflow("answer", "release", "release", "share=many")
    assert wrong.code == 4 and "share: Must be a whole number" in wrong.err
    assert "colour: There is no such field" in nbflow("answer", "release", "release", "share=1", "colour=red").err
    assert "share: Needed" in nbflow("answer", "release", "release").err
    assert nbflow("answer", "release", "release", "share=25", "stage=a=b").code == 0
    found = decision(storage, "release", "release")
    assert (found["option"], found["values"]) == ("submit", {"share": 25, "stage": "a=b"})


def test_the_only_open_question_needs_no_name(looking: Shell) -> None:
    said = looking("answer", "books")
    assert said.code == 2 and "approve or reject" in said.err
    assert looking("answer", "the invoice").code == 3
    assert looking("answer", "books", "perhaps").code == 3, "the first word is the question, or its answer"


def test_the_answer_to_the_only_open_question_needs_no_question(nbflow: Shell, owner: Owner, storage: Path) -> None:
    assert nbflow("answer", "release", "share=25").code == 0
    assert decision(storage, "release", "release")["values"]["share"] == 25
    assert nbflow("answer", "books", "Approve").code == 0
    assert decision(storage, "books", "close_the_books")["option"] == "approve"


def test_an_option_that_is_none_is_refused_with_those_that_are(looking: Shell) -> None:
    said = looking("answer", "books", "close_the_books", "perhaps")
    assert said.code == 4 and "Choose one of approve, reject" in said.err
    assert decision(looking.storage, "books", "close_the_books") is None


@pytest.mark.parametrize("how", ["kill", "end"])
def test_an_answer_to_a_run_that_nobody_has_is_kept_and_checked(
    nbflow: Shell, owner: Owner, how: str, storage: Path
) -> None:
    getattr(owner, how)()
    assert nbflow("answer", "books", "close_the_books", "perhaps").code == 4
    said = nbflow("answer", "books", "close_the_books", "approve", "--by", "ana")
    assert said.code == 0 and said.out.startswith("queued: stored; the run takes it when somebody goes on with it")
    assert "the first one counts" in nbflow("answer", "books", "close_the_books", "reject").err
    assert "(49, 'approve')" in nbflow.real("resume", "books").out
    assert decision(storage, "books", "close_the_books")["by"] == "ana"


# ---- send ----


def test_an_event_with_an_id_counts_once_however_often_it_is_sent(nbflow: Shell, owner: Owner) -> None:
    first = nbflow("--json", "send", "the invoice", "invoice", "--json", '{"no": 17}', "--id", "i-17")
    assert first.code == 0 and first.json["status"] == "delivered" and first.json["node"] == "wait_for_invoice"
    again = nbflow("--json", "send", "the invoice", "invoice", "--json", '{"no": 17}', "--id", "i-17")
    assert again.code == 0 and again.json["status"] == "duplicate"
    assert nbflow("show", "the invoice", "--json").json["nodes"][0]["value"] == "{'no': 17}"


def test_an_event_that_nobody_waits_for_is_kept(nbflow: Shell, owner: Owner) -> None:
    said = nbflow("send", "books", "early", "--text", "hello")
    assert (said.code, said.out) == (0, "queued: nobody waits for it yet\n")


@pytest.mark.parametrize(
    ("words", "stdin", "value"),
    [(["--json", "-"], '[1, "2"]', "[1, '2']"), (["--text", "-"], "[1]\n", "'[1]\\n'"), (["--text", "7"], "", "'7'"),
     (["--json", "7"], "", "7"), ([], "", "None"), (["--text", ""], "", "''")],
)  # fmt: skip
def test_a_payload_is_json_or_text_given_or_read(
    nbflow: Shell, owner: Owner, words: list[str], stdin: str, value: str
) -> None:
    assert nbflow.real("send", "the invoice", "invoice", *words, stdin=stdin).code == 0
    assert nbflow("show", "the invoice", "--json").json["nodes"][0]["value"] == value


def test_what_cannot_be_sent_changes_nothing(nbflow: Shell, owner: Owner) -> None:
    before = nbflow("show", "books", "--json").json["nodes"]
    for words, code in (
        (["send", "books", "close_the_books", "--json", "{no"], 2),
        (["send", "books", "close_the_books", "--text", "perhaps"], 4),
        (["send", "books", "nbflow:cancel"], 4),
        (["send", "books", ""], 4),
        (["send", "books", "x", "--json", "1", "--text", "1"], 2),
        (["send", "books", "x", "--text", "x" * 100_000], 0),
        (["send", "books"], 2),
    ):
        assert nbflow(*words).code == code, words
    after = nbflow("show", "books", "--json").json["nodes"]
    assert [node["state"] for node in after] == [node["state"] for node in before]


def test_a_payload_without_its_option_is_refused_with_the_words_that_send_it(looking: Shell) -> None:
    said = looking("send", "the invoice", "invoice", "12")
    assert said.code == 2 and "unrecognized arguments: 12" in said.err
    assert "--json or --text: nbflow send RUN KEY --json 12" in said.err


def test_an_owner_that_stands_still_is_told_of_and_the_event_is_stored(nbflow: Shell, owner: Owner) -> None:
    owner.process.send_signal(signal.SIGSTOP)
    said = nbflow("send", "the invoice", "invoice", "--wait", "0.3")
    assert said.code == 5 and "has not taken it yet" in said.out
    assert nbflow("send", "books", "x", "--wait", "0").code == 0
    owner.process.send_signal(signal.SIGCONT)


def test_a_run_that_has_ended_takes_nothing(nbflow: Shell, storage: Path) -> None:
    program(storage, 'nf.run(nf.task(lambda: 1, name="one").bind(), workflow_id="done")')
    said = nbflow("send", "done", "x")
    assert said.code == 4 and "is SUCCESSFUL" in said.err


# ---- at a terminal ----


def test_at_a_terminal_a_question_is_asked_line_by_line(nbflow: Shell, owner: Owner, storage: Path) -> None:
    terminal = Terminal(nbflow, "answer", "release", "--by", "ana")
    terminal.sees("Release?  (run 'release')", "Share: ")
    terminal.types("many")
    terminal.sees("Must be a whole number.", "Share: ")
    terminal.types("25")
    terminal.sees("Stage (Enter is canary): ")
    terminal.types("")
    seen, code = terminal.ends()
    assert code == 0 and "delivered to release" in plain(seen)
    found = decision(storage, "release", "release")
    assert (found["values"], found["by"], found["source"]) == ({"share": 25, "stage": "canary"}, "ana", "cli")


def test_at_a_terminal_a_question_can_be_left_open(looking: Shell) -> None:
    for key, ending in ((CTRL_D, 5), (CTRL_C, 130)):
        terminal = Terminal(looking, "answer", "books")
        terminal.sees("Close the books?", "1  approve", "Your answer: ")
        terminal.child.send(key)
        seen, code = terminal.ends()
        assert code == ending and "Traceback" not in seen
    assert decision(looking.storage, "books", "close_the_books") is None


def test_at_a_terminal_the_asking_ends_when_somebody_was_quicker(nbflow: Shell, owner: Owner) -> None:
    terminal = Terminal(nbflow, "answer", "books")
    terminal.sees("Your answer: ")
    assert nbflow("answer", "books", "close_the_books", "reject").code == 0
    seen, code = terminal.ends()
    assert code == 4 and "was decided elsewhere meanwhile" in plain(seen)


def test_what_the_command_sends_is_what_every_door_takes() -> None:
    prompt = {"options": ["approve"], "fields": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}
    found, reason = decide(prompt, {"option": "approve", "values": {"n": "3"}}, "", 0.0, "cli")
    assert reason == "" and found is not None and found["values"] == {"n": 3}

"""At a terminal a run asks there: real programs at a real pseudo terminal, typed at as a person would."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow import asking

pexpect: Any = pytest.importorskip("pexpect", reason="Windows has no pseudo terminals")

ROOT = Path(__file__).resolve().parent.parent
PROLOGUE = """
    import sys
    import nbflow as nf
    nf.init(storage=sys.argv[1], durability="lazy")
    said = nf.task(lambda decision: (decision.option, decision.values, decision.comment, decision.source), name="said")
    def ask(listener, title, *args, **kw):
        return said.bind(nf.wait_for_event(listener, title, *args, **kw))
"""
CTRL_C, CTRL_D = "\x03", "\x04"


class Terminal:
    """A program at a pseudo terminal."""

    def __init__(self, folder: Path, program: str, **env: str) -> None:
        code = textwrap.dedent(PROLOGUE) + textwrap.dedent(program)
        self.child = pexpect.spawn(
            sys.executable,
            ["-c", code, str(folder)],
            cwd=str(ROOT),
            encoding="utf-8",
            timeout=20,
            env={**os.environ, "TERM": "dumb", **env},
        )

    def sees(self, *texts: str) -> str:
        """Wait for texts in their order; return all that came until the last of them."""
        seen = ""
        for text in texts:
            self.child.expect_exact(text)
            seen += self.child.before + text
        return seen.replace("\r\n", "\n")

    def types(self, text: str) -> None:
        self.child.sendline(text)

    def ends(self) -> str:
        """Wait for the end of the program and return what came until then."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return str(self.child.before.replace("\r\n", "\n"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def here(folder: Path) -> Any:
    """Let this process use the same storage."""
    nf.init(storage=str(folder), durability="lazy")
    yield nf
    nf.shutdown()


def test_a_question_is_put_with_all_that_belongs_to_it(folder: Path) -> None:
    terminal = Terminal(
        folder,
        """
        report = nf.task(lambda: {"rmse": 1.25}, name="report")
        dag = ask(nf.ButtonListener, "Publish this model?", message="Look at the *error*.", show=report.bind(),
                  options=["publish_it", "reject"], assigned_to=["ana", "bo"])
        print("value:", nf.run(dag, workflow_id="churn"))
        """,
    )
    seen = terminal.sees("Your answer: ")
    assert "Publish this model?  (run 'churn'; for ana, bo)\n" in seen
    assert "\nLook at the *error*.\n\n{'rmse': 1.25}\n" in seen
    assert "  1  publish_it\n  2  reject\nYour answer: " in seen
    terminal.types("1")
    assert "Saved: Publish it.\nvalue: ('publish_it', {}, '', 'terminal')" in terminal.ends()


def test_what_does_not_fit_is_told_and_asked_again(folder: Path) -> None:
    terminal = Terminal(
        folder,
        """
        def fields(share: int, stage="canary", checks: list[str] = (), notify=True): ...
        dag = ask(nf.FormListener, "Release", fields, options=["release", "reject"], require_comment=True)
        print("value:", nf.run(dag))
        """,
    )
    terminal.sees("Your answer: ")
    terminal.types("perhaps")
    terminal.sees("Choose one of 1 release, 2 reject.", "Your answer: ")
    terminal.types("RELEASE")
    terminal.sees("Share: ")
    terminal.types("many")
    terminal.sees("Must be a whole number.", "Share: ")
    terminal.types("")
    terminal.sees("Needed.", "Share: ")
    terminal.types("25")
    terminal.sees("Stage (Enter is canary): ")
    terminal.types("")
    terminal.sees("Checks (with commas between; may be empty): ")
    terminal.types("latency, errors")
    terminal.sees("Notify (yes / no; Enter is yes): ")
    terminal.types("no")
    terminal.sees("Comment: ")
    terminal.types("  ")
    terminal.sees("A comment is needed.", "Comment: ")
    terminal.types("fine")
    values = {"share": 25, "stage": "canary", "checks": ["latency", "errors"], "notify": False}
    assert f"value: {('release', values, 'fine', 'terminal')}" in terminal.ends()


def test_to_say_no_nobody_fills_in_a_form(folder: Path) -> None:
    dag = 'ask(nf.FormListener, "Release", {"why": str}, options=["release", "reject"])'
    terminal = Terminal(folder, f'print("value:", nf.run({dag}))')
    terminal.sees("Your answer: ")
    terminal.types("reject")
    assert "value: ('reject', {'why': ''}" in terminal.ends()


def test_a_form_with_one_button_only_asks_for_its_fields(folder: Path) -> None:
    terminal = Terminal(folder, 'print("value:", nf.run(ask(nf.FormListener, "Who?", {"name": str})))')
    seen = terminal.sees("Name: ")
    assert "Your answer" not in seen
    terminal.types("ana")
    assert "value: ('submit', {'name': 'ana'}" in terminal.ends()


def test_several_questions_come_one_after_the_other(folder: Path) -> None:
    terminal = Terminal(
        folder,
        """
        first = ask(nf.ButtonListener, "First?", default="approve")
        second = ask(nf.ButtonListener, "Second?")
        print("values:", [value[0] for value in nf.run(nf.task(lambda *found: found, name="both").bind(first, second))])
        """,
    )
    asked = []
    for answer in ("approve", "reject"):
        seen = terminal.sees("?  (run", "Your answer")
        asked.append("First" if "First" in seen else "Second")
        terminal.types("" if asked[-1] == "First" else answer)
    assert sorted(asked) == ["First", "Second"]
    first_answer = ["approve", "approve" if asked[0] == "Second" else "reject"]
    assert f"values: {first_answer}" in terminal.ends()


def test_ctrl_c_lets_the_run_go_and_it_asks_again_when_it_goes_on(folder: Path, here: Any) -> None:
    terminal = Terminal(folder, 'nf.run(ask(nf.ButtonListener, "Publish?"), workflow_id="w")')
    terminal.sees("Your answer: ")
    terminal.child.send(CTRL_C)
    seen = terminal.ends()
    assert "Run 'w' was stopped and nothing is lost" in seen and "KeyboardInterrupt" in seen
    assert here.get_status("w") == "RESUMABLE"

    again = Terminal(folder, 'print("value:", nf.resume("w"))')
    again.sees("Publish?", "Your answer: ")
    again.types("approve")
    assert "value: ('approve'" in again.ends()


def test_another_door_that_is_quicker_ends_the_asking_and_is_named(folder: Path, here: Any) -> None:
    terminal = Terminal(folder, 'print("value:", nf.run(ask(nf.ButtonListener, "Publish?"), workflow_id="w"))')
    terminal.sees("Your answer: ")
    terminal.child.send("app")
    assert here.get_run("w").answer("Publish?", "reject", by="ana")
    assert "\nDecided elsewhere by ana: Reject.\nvalue: ('reject'" in terminal.ends()


def test_when_time_is_up_the_asking_ends(folder: Path) -> None:
    dag = 'ask(nf.ButtonListener, "Publish?", timeout=0.6, on_timeout="reject")'
    terminal = Terminal(folder, f'print("value:", nf.run({dag}))')
    terminal.sees("open for", "then Reject)", "Your answer: ")
    assert "\nTime was up: Reject.\nvalue: ('reject'" in terminal.ends()


def test_when_the_caller_does_not_wait_any_longer_the_asking_ends(folder: Path) -> None:
    terminal = Terminal(
        folder,
        """
        live = nf.run_async(ask(nf.ButtonListener, "Publish?"))
        try:
            live.result(timeout=0.5)
        except TimeoutError as error:
            print("still", live.status, "-", error)
        """,
    )
    terminal.sees("Your answer: ")
    assert "still RUNNING - Run " in terminal.ends()


def test_a_closed_input_leaves_the_question_to_others_but_not_for_ever(folder: Path, here: Any) -> None:
    terminal = Terminal(
        folder, 'nf.run(ask(nf.ButtonListener, "Publish?"), workflow_id="w")', NBFLOW_HUMAN_TIMEOUT="0.2"
    )
    terminal.sees("Your answer: ")
    terminal.child.send(CTRL_D)
    seen = terminal.ends()
    assert "Nobody answers here any more; the question stays open for others." in seen
    assert "WaitingForHuman: Run 'w' waits for a person" in seen
    assert here.get_status("w") == "RESUMABLE"


def test_a_question_whose_answer_stands_ready_is_not_put(folder: Path) -> None:
    dag = 'ask(nf.ButtonListener, "Publish?")'
    terminal = Terminal(folder, f'print("value:", nf.run({dag}))', NBFLOW_ANSWERS='{"Publish?": "approve"}')
    seen = terminal.ends()
    assert "Your answer" not in seen and "value: ('approve'" in seen


def test_a_run_that_fails_while_it_asks_fails(folder: Path) -> None:
    terminal = Terminal(
        folder,
        """
        import threading
        asked = threading.Event()
        fails = nf.task(lambda: asked.wait(10) and 1 / 0, name="fails")
        threading.Timer(0.6, asked.set).start()
        nf.run(nf.task(lambda *_: None, name="both").bind(ask(nf.ButtonListener, "Publish?"), fails.bind()))
        """,
    )
    terminal.sees("Your answer: ")
    seen = terminal.ends()
    assert "'Publish?' is not open any more." in seen and "ZeroDivisionError" in seen


def test_a_hostile_title_does_not_command_the_terminal(folder: Path) -> None:
    terminal = Terminal(folder, 'nf.run(ask(nf.ButtonListener, "\\x1b]0;owned\\x07Publish?", message="\\x1b[2J"))')
    seen = terminal.sees("Your answer: ")
    assert "\x1b" not in seen and "\x07" not in seen
    terminal.types("1")
    terminal.ends()


def test_a_thread_of_its_own_does_not_ask(folder: Path, here: Any) -> None:
    terminal = Terminal(
        folder,
        """
        import threading
        live = nf.run_async(ask(nf.ButtonListener, "Publish?"), workflow_id="w")
        waiter = threading.Thread(target=lambda: print("value:", live.result()))
        waiter.start()
        print("begun")
        waiter.join()
        """,
    )
    terminal.sees("begun")
    while not here.get_run("w").questions:
        pass
    assert here.get_run("w").answer("Publish?", "approve")
    seen = terminal.ends()
    assert "value: ('approve'" in seen and "Your answer" not in seen


@pytest.mark.slow
def test_an_ipython_terminal_asks_too(folder: Path) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"],
        cwd=str(ROOT),
        encoding="utf-8",
        timeout=30,
        env={**os.environ, "TERM": "dumb", "IPYTHONDIR": str(folder / "ipython"), "NBFLOW_STORAGE": str(folder)},
    )
    child.expect_exact("In [1]:")
    child.sendline("import nbflow as nf; 'value: ' + nf.run(nf.wait_for_event(nf.ButtonListener, 'Publish?'))")
    child.expect_exact("Your answer: ")
    child.sendline("approve")
    child.expect_exact("Saved: Approve.")
    child.expect_exact("value: approve")
    child.sendline("exit")
    child.expect(pexpect.EOF)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("1", "ask_again"),
        ("2", "No"),
        ("3", "3"),
        ("4", "no"),
        ("5", None),
        ("0", None),
        ("Ask again", "ask_again"),
        ("ASK_AGAIN", "ask_again"),
        ("No", "No"),
        ("no", "no"),
        ("NO", None),
        ("maybe", None),
    ],
)
def test_an_option_is_meant_by_number_name_or_label(said: str, meant: str | None) -> None:
    assert asking._chosen(("ask_again", "No", "3", "no"), said) == meant

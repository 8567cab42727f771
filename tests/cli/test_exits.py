"""Every error ends the command with the code that the help promises for it."""

from __future__ import annotations

import pytest

from nbflow import errors
from nbflow.cli import main
from nbflow.cli.exits import MEANINGS, CommandError, Exit, told
from nbflow.cli.main import _HOMES
from nbflow.cli.parser import COMMANDS, parser
from nbflow.cli.place import typed

CASES = [
    (errors.WorkflowNotFoundError("x"), Exit.NOT_FOUND),
    (errors.WaitingForHuman("x"), Exit.WAITING),
    (TimeoutError("late"), Exit.WAITING),
    (errors.RunIsLive("x"), Exit.REFUSED),
    (errors.WorkflowNotResumableError("x"), Exit.REFUSED),
    (errors.WorkflowError("x", "ended"), Exit.REFUSED),
    (errors.WorkflowExecutionError("x"), Exit.ERROR),
    (errors.WorkflowCancellationError("x"), Exit.ERROR),
    (errors.StorageDamaged("x"), Exit.ERROR),
    (PermissionError("no"), Exit.ERROR),
    (ValueError("an id"), Exit.USAGE),
    (CommandError(Exit.NOT_FOUND, "no node"), Exit.NOT_FOUND),
    (KeyError("a bug"), Exit.ERROR),
]


@pytest.mark.parametrize(("error", "code"), CASES, ids=lambda each: getattr(each, "name", type(each).__name__))
def test_an_error_has_its_code_and_says_something(error: BaseException, code: Exit) -> None:
    assert told(error)[0] is code and told(error)[1]


def test_what_a_notebook_would_call_is_told_as_the_command_that_does_it() -> None:
    error = errors.WorkflowError(
        "it's", """Nothing: nbflow.salvage("it's") or nbflow.resume_async('b') or takeover=True."""
    )
    assert typed(error, str(error)) == (
        """Nothing: `nbflow salvage 'it'"'"'s'` or 'nbflow resume b' or `nbflow resume 'it'"'"'s' --takeover`."""
    )


def test_a_mistake_of_nbflow_is_owned(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("nbflow.cli.steer.version", lambda *_: {}["x"])
    assert main(["version"]) == 1
    assert "NBFLOW_DEBUG=1" in capsys.readouterr().err
    monkeypatch.setenv("NBFLOW_DEBUG", "1")
    with pytest.raises(KeyError):
        main(["version"])


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nbflow.cli.steer.version", stop)
    assert main(["version"]) == 130
    assert capsys.readouterr().err == ""


def test_the_help_tells_every_code_and_every_command_has_a_home() -> None:
    text = parser().format_help()
    assert set(MEANINGS) == set(Exit)
    assert all(f"  {code.value} " in text for code in Exit)
    assert set(_HOMES) == set(COMMANDS)

"""An exception as the journal keeps it, and as it comes back."""

from __future__ import annotations

import threading

import pytest

import nbflow as nf
from nbflow.engine.failure import describe, restore
from nbflow.errors import SystemFailure, TaskTimeout, WorkflowExecutionError
from nbflow.testing import MemoryStorage
from tests.engine.tools import finish, script


class TwoParts(Exception):
    """Its arguments are not its args."""

    def __init__(self, code: int, where: str) -> None:
        super().__init__(f"{code} at {where}")
        self.code = code


class Mute(Exception):
    """It cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Holding(Exception):
    """It holds what no pickle can."""

    def __init__(self) -> None:
        super().__init__("held")
        self.lock = threading.Lock()


def again(error: Exception) -> BaseException:
    journal = MemoryStorage().create_run("w")
    try:
        raise error
    except Exception as raised:
        return restore(describe(raised, journal), journal)


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("k"), TwoParts(7, "here"), OSError(2, "gone", "file")])
def test_an_exception_comes_back_as_itself_with_its_traceback_as_a_note(error: Exception) -> None:
    found = again(error)
    assert (type(found), str(found), found.args) == (type(error), str(error), error.args)
    assert "in again" in found.__notes__[0]


def test_attributes_of_an_exception_come_back() -> None:
    found = again(TwoParts(7, "here"))
    assert isinstance(found, TwoParts)
    assert found.code == 7


def test_an_exception_that_cannot_be_stored_comes_back_as_what_it_said() -> None:
    found = again(Holding())
    assert (type(found), str(found)) == (RuntimeError, "Holding: held")


def test_an_exception_that_cannot_be_shown_fails_its_run_like_any_other() -> None:
    assert "cannot be shown" in describe(Mute(), MemoryStorage().create_run("w"))["message"]

    @nf.task
    def mute() -> None:
        raise Mute

    with pytest.raises(WorkflowExecutionError, match="cannot be shown"):
        nf.run_async(mute.bind()).result(10)


def test_the_note_is_there_also_when_a_library_pickles_tracebacks() -> None:
    code = """
        import distributed, nbflow as nf
        nf.init(storage="memory://")

        def mine():
            raise ValueError("here")

        try:
            nf.run(nf.task(mine).bind())
        except nf.errors.WorkflowExecutionError as error:
            print(error.__cause__.__traceback__, "in mine" in error.__cause__.__notes__[0])
    """
    assert finish(script(code)).strip() == "None True"


def test_the_kind_of_a_failure_decides_about_retries() -> None:
    journal = MemoryStorage().create_run("w")
    kinds = [describe(error, journal)["kind"] for error in (ValueError(), SystemFailure(), TaskTimeout())]
    assert kinds == ["exception", "system", "timeout"]


def test_the_traceback_begins_in_the_users_code() -> None:
    @nf.task
    def mine() -> None:
        raise ValueError("here")

    with pytest.raises(WorkflowExecutionError) as failed:
        nf.run(mine.bind())
    (note,) = failed.value.__cause__.__notes__  # type: ignore[union-attr]
    assert "in mine" in note
    assert "executors" not in note

"""What travels between processes arrives whole, or as an error that says what could not."""

from __future__ import annotations

import io
import os
import pickle
import threading
from typing import Any

import pytest

from nbflow.errors import CheckpointError, TaskError
from nbflow.executors import wire
from tests.executors.bodies import HttpError, Locked, add, chain, raise_in_depth


def carried(body: Any, *args: Any, **kwargs: Any) -> Any:
    return wire.decode_reply(wire.answer(wire.encode_call(body, args, kwargs)))


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_a_frame_of_any_size_arrives_whole(size: int) -> None:
    reader, writer = os.pipe()
    content = os.urandom(size)
    thread = threading.Thread(target=wire.write_frame, args=(writer, wire.CALL, content))
    thread.start()
    with io.FileIO(reader) as pipe:
        assert wire.read_frame(pipe) == (wire.CALL, content)
        thread.join()
        os.close(writer)
        with pytest.raises(EOFError):
            wire.read_frame(pipe)


def test_a_torn_frame_is_the_end_and_not_a_short_value() -> None:
    reader, writer = os.pipe()
    os.write(writer, wire._HEAD.pack(wire.CALL, 100) + b"only some")
    os.close(writer)
    with io.FileIO(reader) as pipe, pytest.raises(EOFError):
        wire.read_frame(pipe)


def test_functions_of_no_module_and_keyword_arguments_travel() -> None:
    assert carried(lambda a, b: a * b, 6, b=7) == 42
    assert carried(add, 1, b=2) == 3


def test_an_error_arrives_as_its_own_type_with_the_remote_traceback() -> None:
    with pytest.raises(ValueError, match="no such column") as caught:
        carried(chain)
    text = str(caught.value.__cause__)
    assert "KeyError: 'missing'" in text
    assert 'raise ValueError("no such column") from error' in text
    assert "wire.py" not in text


def test_an_error_with_another_init_arrives_as_its_own_type() -> None:
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(HttpError(404, "Not Found")))
    with pytest.raises(HttpError, match="404 Not Found") as caught:
        carried(lambda: raise_in_depth(HttpError(404, "Not Found")))
    assert caught.value.status == 404


def test_an_error_that_cannot_travel_is_readable() -> None:
    with pytest.raises(TaskError, match=r"bodies\.Locked.*the table is locked") as caught:
        carried(lambda: raise_in_depth(Locked("the table is locked")))
    assert "in raise_in_depth" in str(caught.value.__cause__)


def test_notes_of_an_error_travel() -> None:
    error = ValueError("x")
    error.add_note("in row 7")
    with pytest.raises(ValueError) as caught:
        carried(raise_in_depth, error)
    assert caught.value.__notes__ == ["in row 7"]


def test_a_result_that_cannot_travel_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"make_lock.*a lock.*cannot be pickled"):

        def make_lock() -> Any:
            return threading.Lock()

        carried(make_lock)


@pytest.mark.parametrize(
    ("args", "kwargs", "name"),
    [((1, threading.Lock()), {}, "argument 2"), ((1,), {"b": threading.Lock()}, "b cannot be pickled")],
)
def test_an_argument_that_cannot_travel_is_named(args: Any, kwargs: Any, name: str) -> None:
    with pytest.raises(TaskError, match=rf"'add' cannot be sent.*{name}"):
        wire.encode_call(add, args, kwargs)


def test_a_call_that_cannot_be_loaded_says_so() -> None:
    call = wire.encode_call(add, (), {}).replace(b"bodies", b"bodie_")
    with pytest.raises(ModuleNotFoundError, match="bodie_") as caught:
        wire.decode_reply(wire.answer(call))
    assert "importable" in str(caught.value.__cause__)

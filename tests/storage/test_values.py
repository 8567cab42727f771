"""Values: what goes in comes out, small things fast, large things without a second copy, bad things with a reason."""

from __future__ import annotations

import base64
import functools
import itertools
import json
import math
import pickle
import subprocess
import sys
import threading
import tracemalloc
import types
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.errors import CheckpointError, StorageDamaged
from nbflow.storage import values
from nbflow.storage.base import RunJournal
from nbflow.storage.blobs import FolderBlobs
from nbflow.storage.folder import FolderStorage
from nbflow.storage.memory import MemoryStorage


@dataclass
class Order:
    name: str
    lines: list[int]


@pytest.fixture
def blobs(folder: FolderStorage) -> RunJournal:
    """Give the blobs of a run in a folder."""
    return folder.create_run("run")


MEMORY = MemoryStorage().create_run("run")


def through_json(value: Any, blobs: Any = MEMORY) -> Any:
    """Store a value, send its stored form through a journal's JSON, and load it."""
    return values.decode(json.loads(json.dumps(values.encode(value, blobs), allow_nan=False)), blobs)


def same(a: Any, b: Any) -> bool:
    """Tell whether two values are alike in all their types, NaN and the sign of zero included."""
    return pickle.dumps(a) == pickle.dumps(b) or (
        type(a) is type(b) is float and (a == b or (math.isnan(a) and math.isnan(b)))
    )


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda part: (
        st.lists(part, max_size=5)
        | st.tuples(part, part)
        | st.dictionaries(st.text(st.characters()) | st.integers(), part, max_size=5)
    ),
    max_leaves=25,
)


@settings(deadline=None)
@given(plain)
def test_a_value_comes_back_with_its_exact_types(value: Any) -> None:
    assert repr(through_json(value)) == repr(value)  # which tells 1, True and 1.0 apart, and 'a' and b'a'


@pytest.mark.parametrize(
    ("value", "codec"),
    [
        (None, "json"),
        (True, "json"),
        (10**150, "json"),
        (10**2000, "json"),
        pytest.param(10**5000, "p5", id="huge"),
        (-0.0, "json"),
        (float("nan"), "p5"),
        (float("inf"), "p5"),
        ("plain", "json"),
        ("žluťoučký", "json"),
        pytest.param("\ud800", "p5", id="lone surrogate"),
        pytest.param("\ud83d\ude00", "p5", id="pair of surrogates"),
        ([1, [2.5, "x"]], "json"),
        ({"a": {"b": None}}, "json"),
        pytest.param({"\ud800": 1}, "p5", id="surrogate as key"),
        ({1: 2}, "p5"),
        ((1, 2), "p5"),
        ([(1,)], "p5"),
        (OrderedDict(a=1), "p5"),
        ({1, 2}, "p5"),
        (b"bytes", "p5"),
        (Order("x", [1]), "p5"),
    ],
)
def test_json_is_used_where_it_loses_nothing(value: Any, codec: str) -> None:
    stored = values.encode(value, MEMORY)
    assert stored["c"] == codec
    assert same(through_json(value), value)


def test_a_list_in_two_places_stays_one_list() -> None:
    part = [1]
    back = through_json([part, part])
    assert back[0] is back[1]
    knot: list[Any] = []
    knot.append(knot)
    assert (again := through_json(knot))[0] is again


def test_a_deep_value_is_pickled_not_refused() -> None:
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    assert values.encode(deep, MEMORY)["c"] == "p5"
    assert repr(through_json(deep)) == repr(deep)


def test_the_stored_form_does_not_change_with_the_value() -> None:
    value = {"a": [1]}
    stored = values.encode(value, MEMORY)
    value["a"].append(2)
    loaded = values.decode(stored, MEMORY)
    assert loaded == {"a": [1]}
    loaded["a"].append(3)
    assert values.decode(stored, MEMORY) == {"a": [1]}


def test_a_large_value_goes_into_a_blob_and_a_small_one_into_the_record(blobs: RunJournal) -> None:
    for value in ("x" * 100_000, ["y"] * 50_000, b"z" * 20_000, np.zeros(10_000)):
        stored = values.encode(value, blobs)
        assert "b64" not in stored
        assert "v" not in stored
        assert stored["size"] >= 20_000
        assert len(json.dumps(stored)) < 1_000
        assert same(values.decode(stored, blobs), value)
    assert "blob" not in values.encode(np.zeros(1000), blobs)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.zeros((0, 5)),
        np.ones((300, 400)),
        np.asfortranarray(np.arange(120_000.0).reshape(300, 400)),
        np.arange(100_000)[::3],
        np.array(["a", None, 3], dtype=object),
    ],
    ids=["small", "empty", "large", "fortran", "strided", "objects"],
)
def test_an_array_comes_back_writable_with_its_order(blobs: RunJournal, array: Any) -> None:
    back = values.decode(values.encode(array, blobs), blobs)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    assert back.flags.writeable
    assert back.flags.f_contiguous == (array.flags.f_contiguous or not array.flags.contiguous)


def test_a_read_only_array_stays_read_only(blobs: RunJournal) -> None:
    array = np.ones(100_000)
    array.flags.writeable = False
    assert not values.decode(values.encode(array, blobs), blobs).flags.writeable


def test_a_table_comes_back_equal(blobs: RunJournal) -> None:
    table = pd.DataFrame({"n": range(5000), "x": np.random.default_rng(1).random(5000), "s": ["text"] * 5000})
    stored = values.encode(table, blobs)
    pd.testing.assert_frame_equal(values.decode(stored, blobs), table)
    assert stored["pv"] == "DataFrame 5000 x 3: n, x, s"
    assert stored["lib"] == f"pandas {pd.__version__}"


@pytest.mark.parametrize("value", [np.zeros(8_000_000), bytes(64_000_000)], ids=["array", "bytes"])
@pytest.mark.parametrize("hook", [None, lambda part: None], ids=["plain", "with references"])
def test_a_large_value_is_never_copied_on_its_way_to_the_disk(value: Any, hook: Any, blobs: RunJournal) -> None:
    tracemalloc.start()
    try:
        stored = values.encode(value, blobs, persistent_id=hook)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert stored["size"] > 64_000_000
    again = values.decode(stored, blobs, persistent_load=hook)
    assert type(again) is type(value) and bytes(again) == bytes(value)


def test_bytes_that_a_reference_stands_for_are_not_stored() -> None:
    large = bytes(100_000)
    stored = values.encode(large, MEMORY, persistent_id=lambda part: "ref" if part is large else None)
    assert "blob" not in stored
    assert values.decode(stored, MEMORY, persistent_load={"ref": large}.__getitem__) is large


def test_a_blob_that_was_changed_is_not_loaded(folder: FolderStorage, blobs: RunJournal, tmp_path: Any) -> None:
    files = FolderBlobs(folder._place("run"))
    stored = values.encode(np.zeros(10_000), files)
    (path,) = (tmp_path / "store/runs/run/blobs").glob("*.nbb")
    content = bytearray(path.read_bytes())
    for place in (10, 5000, len(content) - 1):
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(StorageDamaged, match="not what was stored"):
            values.decode(stored, blobs)
        content[place] ^= 1
    for broken in (content[:-1], content + b"x", content[:100], b""):
        path.write_bytes(broken)
        with pytest.raises(StorageDamaged):
            values.decode(stored, blobs)
    path.write_bytes(content)
    values.decode(stored, blobs)


def test_code_of_the_notebook_comes_back_and_is_marked() -> None:
    factor = 3
    stored = values.encode(lambda x: x * factor, MEMORY)
    assert stored["code"] is True
    assert values.decode(stored, MEMORY)(2) == 6
    assert "code" not in values.encode((len, math.sin, Order), MEMORY)


def other_python(value: Any) -> dict[str, Any]:
    """Return the stored form of a value as another Python would have made it."""
    return {**values.encode(value, MEMORY), "py": "3.8"}


def test_code_of_another_python_is_refused_before_it_is_loaded() -> None:
    stored = other_python(lambda: None)
    stored["b64"] = base64.b64encode(b"not even a pickle").decode()
    with pytest.raises(CheckpointError, match=r"code of Python 3\.8.*run\(dag, workflow_id=\.\.\.\)"):
        values.decode(stored, MEMORY)


def test_plain_values_of_another_python_are_loaded_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"pickled by Python 3\.8"):
        assert values.decode(other_python((1, 2)), MEMORY) == (1, 2)


def test_json_of_another_python_is_loaded_without_a_word(recwarn: pytest.WarningsRecorder) -> None:
    assert values.decode(other_python([1]), MEMORY) == [1]
    assert not recwarn.list


def test_a_value_whose_library_is_missing_says_what_is_needed() -> None:
    module = types.ModuleType("vanishing_library")
    module.__version__ = "9.9"  # type: ignore[attr-defined]
    exec("class Thing: pass", module.__dict__)
    sys.modules[module.__name__] = module
    try:
        stored = values.encode(module.Thing(), MEMORY)
    finally:
        del sys.modules[module.__name__]
    with pytest.raises(CheckpointError, match=r"vanishing_library 9\.9 on Python .*No module named"):
        values.decode(stored, MEMORY)


class Connection:
    def __init__(self) -> None:
        self.lock = threading.Lock()


LOCK = threading.Lock()


def with_globals() -> Any:
    code = compile("def body():\n    return [LOCK for _ in range(2)]", "cell", "exec")
    names: dict[str, Any] = {"LOCK": LOCK, "__name__": "__main__"}
    exec(code, names)
    return names["body"]


def deep() -> Any:
    value: Any = LOCK
    for place in range(30):
        value = {f"a long name {place}": value}
    return value


def with_closure() -> Any:
    lock = threading.Lock()
    return lambda: lock


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (threading.Lock(), "value is a _thread.lock"),
        ({"conn": threading.Lock()}, "value['conn'] is a _thread.lock"),
        ([1, (2, {"x": Connection()})], "value[1][1]['x'].lock is a _thread.lock"),
        (Order("x", [threading.Lock()]), "value.lines[0] is a _thread.lock"),  # type: ignore[list-item]
        (with_closure(), "value's variable 'lock' is a _thread.lock"),
        (with_globals(), "value's global 'LOCK' is a _thread.lock"),
        (functools.partial(max, threading.Lock()), "value.args[0] is a _thread.lock"),
        (Connection().__init__, "value.__self__.lock is a _thread.lock"),
    ],
)
def test_what_cannot_be_stored_is_named_with_its_path_and_a_way_out(value: Any, path: str) -> None:
    with pytest.raises(CheckpointError, match="checkpoint=False") as refusal:
        values.encode(value, MEMORY)
    assert str(refusal.value).startswith(f"{path} and cannot be stored")
    assert refusal.value.__cause__ is not None


def test_a_long_path_is_shortened_in_its_middle() -> None:
    with pytest.raises(CheckpointError) as refusal:
        values.encode(deep(), MEMORY)
    said = str(refusal.value).split(" is a _thread.lock and cannot be stored")[0]
    assert said.startswith("value['a long name 29']['a long") and said.endswith("['a long name 0']")
    assert " … " in said and len(said) < 220


async def _numbers() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ((n for n in range(3)), r"value is a generator .* return list\(\.\.\.\) of it"),
        (map(str, [1, 2]), r"value is a map .* return list\(\.\.\.\) of it"),
        (zip([1], [2], strict=True), r"value is a zip .* return list\(\.\.\.\) of it"),
        (itertools.count(), r"value is an itertools.count .* return list\(\.\.\.\) of it"),
        ([_numbers()], r"value\[0\] is an async_generator .* return \[each async for each in \.\.\.\] of it"),
    ],
)
def test_of_what_can_be_gone_through_once_it_is_said_how_to_return_what_it_yields(value: Any, says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        values.encode(value, MEMORY)


def test_parts_can_be_references() -> None:
    lock = threading.Lock()
    stored = values.encode([1, lock, 2], MEMORY, persistent_id=lambda part: 7 if part is lock else None)
    assert stored["c"] == "p5"
    assert values.decode(stored, MEMORY, persistent_load=lambda place: f"node {place}") == [1, "node 7", 2]
    with pytest.raises(CheckpointError, match=r"value\[1\]"):
        values.encode([1, lock], MEMORY, persistent_id=lambda part: None)


def test_json_is_used_beside_references_only_if_asked_for() -> None:
    assert values.encode(1, MEMORY, persistent_id=lambda part: None)["c"] == "p5"
    assert values.encode(1, MEMORY, persistent_id=lambda part: None, allow_json=True)["c"] == "json"


def test_what_a_reference_raises_passes_unchanged() -> None:
    stored = values.encode([1], MEMORY, persistent_id=lambda part: 1 if part == 1 else None)

    def refuse(place: int) -> None:
        raise LookupError("not in memory any more")

    with pytest.raises(LookupError, match="any more"):
        values.decode(stored, MEMORY, persistent_load=refuse)


def test_a_pickle_made_elsewhere_is_stored_with_its_buffers(blobs: RunJournal) -> None:
    for size in (10, 100_000):
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(np.arange(size), protocol=5, buffer_callback=buffers.append)
        stored = values.encode_pickled(head, [bytes(buffer.raw()) for buffer in buffers], blobs)
        assert ("blob" in stored) == (size > 10)
        assert np.array_equal(values.decode(json.loads(json.dumps(stored)), blobs), np.arange(size))


def test_a_secret_has_no_preview() -> None:
    for value in (1, "short", ["list"], ("tuple",), lambda: None):
        assert "pv" not in values.encode(value, MEMORY, secret=True)
        assert "pv" in values.encode(value, MEMORY)


def test_a_stored_form_of_the_future_is_refused() -> None:
    with pytest.raises(CheckpointError, match="newer nbflow"):
        values.decode({"c": "arrow", "v": 1}, MEMORY)


def test_storing_values_needs_no_heavy_library() -> None:
    code = (
        "import sys; import nbflow.storage.values; print(sorted({'numpy', 'pandas', 'IPython'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

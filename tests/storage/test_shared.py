"""Values for other processes: mapped and not copied, writable without harm, checked unless made in this session."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nbflow.errors import StorageDamaged
from nbflow.storage import values
from nbflow.storage.base import RunJournal
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import OS
from nbflow.storage.shared import SharedBlobs, Unseen

ARRAY = np.arange(100_000.0)


class OtherDisk(OS):
    """A disk that is not the real one."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunJournal]:
    journal = FolderStorage(tmp_path / "storage", durability="lazy").create_run("w")
    journal.append(['{"t": "x"}'])
    yield journal
    journal.close()


@pytest.fixture
def shared(run: RunJournal) -> SharedBlobs:
    """Give the values of the run as another process has them."""
    found = run.shared_blobs()  # type: ignore[attr-defined]
    assert isinstance(found, SharedBlobs)
    return pickle.loads(pickle.dumps(found))  # type: ignore[no-any-return]


NAME = "abcd" * 16


def blob_of(shared: SharedBlobs, stored: values.Json) -> Path:
    return Path(shared.folder, "blobs", f"{stored['blob']}.nbb")


def test_what_one_process_stores_another_reads(run: RunJournal, shared: SharedBlobs) -> None:
    stored = values.encode(ARRAY, run)
    np.testing.assert_array_equal(values.decode(stored, shared), ARRAY)
    again = values.encode(ARRAY + 1, shared)
    np.testing.assert_array_equal(values.decode(again, run), ARRAY + 1)


def test_a_mapped_value_is_the_file_itself_and_writing_into_it_changes_no_other(
    run: RunJournal, shared: SharedBlobs
) -> None:
    stored = values.encode(ARRAY, run)
    first, second = values.decode(stored, shared), values.decode(stored, shared)
    assert str(blob_of(shared, stored)) in Path("/proc/self/maps").read_text()
    first[:] = 7
    np.testing.assert_array_equal(second, ARRAY)
    np.testing.assert_array_equal(values.decode(stored, shared), ARRAY)


def test_with_copy_nothing_is_mapped(run: RunJournal, shared: SharedBlobs) -> None:
    stored = values.encode(ARRAY, run)
    value = values.decode(stored, replace(shared, copy=True))
    assert str(blob_of(shared, stored)) not in Path("/proc/self/maps").read_text()
    value[0] = 1


def test_a_value_that_was_changed_is_refused(run: RunJournal, shared: SharedBlobs) -> None:
    stored = values.encode(ARRAY, run)
    path = blob_of(shared, stored)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for way in (shared, replace(shared, copy=True)):
        with pytest.raises(StorageDamaged, match="not what was stored"):
            values.decode(stored, way)
    values.decode(stored, replace(shared, check=False))  # who made it in this session has looked already


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b'{"head": {}, "buffers": [[4096, 999999]]}\n'.ljust(5000)])
def test_a_file_that_is_no_value_is_refused(shared: SharedBlobs, content: bytes) -> None:
    os.makedirs(f"{shared.folder}/blobs", exist_ok=True)
    Path(shared.folder, "blobs", f"{NAME}.nbb").write_bytes(content)
    with pytest.raises(StorageDamaged, match="not what was stored"):
        replace(shared, check=False).get_blob(NAME)


def test_a_missing_value_is_named(shared: SharedBlobs) -> None:
    with pytest.raises(StorageDamaged, match=f"blob {NAME}"):
        shared.get_blob(NAME)


@pytest.mark.parametrize("elsewhere", [{"mark": "of another storage"}, {"folder": "/nowhere"}])
def test_who_does_not_see_the_files_says_so_and_is_not_to_blame(
    run: RunJournal, shared: SharedBlobs, elsewhere: dict[str, str]
) -> None:
    stored = values.encode(ARRAY, run)
    blind = replace(shared, **elsewhere)  # type: ignore[arg-type]
    assert shared.here() and not blind.here()
    with pytest.raises(Unseen) as failure:
        values.decode(stored, blind)
    assert failure.value.blameless


def test_a_disk_that_is_not_the_real_one_has_nothing_to_share(tmp_path: Path) -> None:
    journal = FolderStorage(tmp_path / "other", os=OtherDisk()).create_run("w")
    assert journal.shared_blobs() is None  # type: ignore[attr-defined]
    journal.close()

"""Where a client sends to: its storage comes from what it was given, from its task, or from ``nbflow.init``."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import nbflow as nf
from nbflow.errors import CheckpointError, StorageError, WorkflowExecutionError
from nbflow.rules import NotificationClient
from nbflow.storage.folder import FolderStorage
from nbflow.testing import MemoryStorage
from tests.engine.conftest import folder, host, limit

__all__ = ["folder", "host", "limit"]


def values(storage: Any, namespace: str = "default") -> list[Any]:
    return [event.value for event in NotificationClient(namespace, storage=storage).list_events()]


def test_without_more_it_is_the_storage_that_init_chose(folder: Path, tmp_path: Path) -> None:
    client = NotificationClient()
    client.send_event("k", 1)
    assert values(folder) == values(str(folder)) == values(FolderStorage(folder)) == [1]
    nf.shutdown()
    nf.init(storage=tmp_path / "another")
    client.send_event("k", 2)
    assert (values(folder), values(tmp_path / "another")) == ([1], [2])


def test_a_client_is_the_same_after_a_pickle(folder: Path) -> None:
    for client in (
        NotificationClient("n", "me"),
        NotificationClient("n", "me", storage=folder),
        NotificationClient("n", "me", storage=FolderStorage(folder)),
    ):
        client.send_event("k")
        copy = pickle.loads(cloudpickle.dumps(client))
        assert copy.send_event("k").sender == "me"
        assert repr(copy) == "NotificationClient('n')"
    assert len(values(folder, "n")) == 6


def test_a_body_in_another_process_cannot_reach_a_storage_in_memory() -> None:
    nf.shutdown()
    nf.init(storage=MemoryStorage())

    @nf.task(executor="process")
    def send() -> None:
        NotificationClient().send_event("k")

    with pytest.raises(WorkflowExecutionError) as failed:
        nf.run(send.bind())
    assert isinstance(failed.value.__cause__, StorageError)
    assert "nbflow.init(storage='some/folder')" in str(failed.value.__cause__)


def test_a_fork_sends_to_the_storage_that_was_used_before_it(folder: Path) -> None:
    client = NotificationClient()
    client.send_event("k", "before")
    child = os.fork()
    if not child:
        try:
            client.send_event("k", "in the fork")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    client.send_event("k", "after")
    assert values(folder) == ["before", "in the fork", "after"]


def test_a_value_that_cannot_be_stored_is_refused_and_nothing_is_sent(folder: Path) -> None:
    client = NotificationClient()
    with pytest.raises(CheckpointError, match="lock"):
        client.send_events([("a", 1), ("b", {"part": threading.Lock()})])
    assert values(folder) == []


def test_what_is_no_listener_is_refused() -> None:
    with pytest.raises(TypeError, match="ListenerProcessor"):
        NotificationClient().register_listener(5)
    with pytest.raises(ValueError, match="namespace"):
        NotificationClient("")

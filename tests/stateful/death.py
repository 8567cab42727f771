"""How a process dies inside a test: its engine stops where it stands and gives nothing back."""

from __future__ import annotations

import nbflow as nf
from nbflow import home
from nbflow.engine.host import Host
from nbflow.storage import ownership
from nbflow.storage.base import Storage
from nbflow.storage.folder import FolderStorage
from nbflow.storage.memory import MemoryStorage


def die(host: Host) -> None:
    """Stop the engine of the default host without a goodbye; its runs are found without a live owner."""
    loop = host.engine.loop
    loop.call_soon_threadsafe(loop.stop)
    host.engine.thread.join(60)
    assert not host.engine.thread.is_alive(), "the engine did not stop"
    loop.set_exception_handler(lambda _, context: None)  # what was under way is lost, as it would be
    for task in [*host.runners.values()]:
        task.closed = True
    loop.close()
    ownership._held.clear()
    if isinstance(host.storage, MemoryStorage):
        for stored in host.storage._runs.values():
            stored.owner = None
    home._host = None
    home._settings.clear()


def begin(storage: Storage) -> None:
    """Start a new process on a storage."""
    if isinstance(storage, FolderStorage):
        storage = FolderStorage(storage.url, durability="lazy")
    nf.init(storage=storage)

"""The events of one namespace in an object store: a folder's stream, with conditional creates in place of links."""

from __future__ import annotations

from collections.abc import Callable

from ..doorbell import Doorbell
from ..names import folder_name
from ..place import RunPlace
from ..root import Root
from ..signing import Signer
from ..stream_files import namespace_in
from ..streams import FolderStream
from .as_files import ObjectOS
from .blobs import ObjectBlobs
from .bucket import Bucket

EAGER, CALM = 0.25, 1.0
"""Seconds between two looks for events of other processes: while they come, and when none has come for a while."""


class _Root(Root):
    """Stands for the root of a folder: made ready when the storage is."""

    def __init__(self, calls: ObjectOS, url: str, make_ready: Callable[[], None]) -> None:
        super().__init__(calls, url)
        self._make_storage_ready = make_ready

    def make_ready(self) -> None:
        """Make the storage if this process has not done so yet."""
        self._make_storage_ready()


class ObjectStream(FolderStream):
    """One namespace in an object store. The promises are those of ``EventStream``."""

    def __init__(self, bucket: Bucket, make_ready: Callable[[], None], namespace: str, signer: Signer | None) -> None:
        calls = ObjectOS(bucket)
        folder = f"events/{folder_name(namespace)}"
        place = RunPlace(calls, folder, f"events of {namespace}", ("events",), signer)
        super().__init__(_Root(calls, bucket.url, make_ready), place, namespace)
        self._bell = Doorbell(self._look, pauses=(EAGER, CALM))
        self._blobs = ObjectBlobs(bucket, f"{folder}/blobs/", f"the events of namespace {namespace!r}")

    def _was_taken(self, offset: int, ids: list[str]) -> bool:
        """Tell whether these events are in a segment already: stored, rolled up, and the answer was lost."""
        return self._files.marks().rolled > offset and self._reader.is_rolled(offset, ids)


def namespaces(bucket: Bucket) -> list[str]:
    """Return the namespaces that have events, sorted."""
    calls = ObjectOS(bucket)
    found = (namespace_in(calls, f"events/{name}") for name in bucket.folders("events/"))
    return sorted(namespace for namespace in found if namespace is not None)

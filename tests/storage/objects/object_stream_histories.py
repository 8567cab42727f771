"""Random histories of one namespace in the model of an object store: several writers and readers at once."""

from __future__ import annotations

from random import Random
from typing import Any
from unittest.mock import patch

from nbflow.errors import EventsPruned, NbflowError, StorageDamaged
from nbflow.storage import stream_roll, streams
from nbflow.storage.objects.storage import ObjectStorage
from tests.storage.actors import interleave, judge_error, taking_turns
from tests.storage.oracle import Violation

from .bucket_model import Faults, ModelBucket, Shelf

NAMESPACE = "default"


class StreamHistory:
    """One shelf, one namespace, and what its writers were told. All that happens follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.shelf = Shelf(self.random)
        self.told: dict[int, str] = {}
        self.sent: set[str] = set()

    def boot(self) -> ModelBucket:
        """Start a process."""
        return self.shelf.boot()

    def stop_processes(self) -> None:
        """Kill every process."""
        self.shelf.stop_processes()

    def write(self, process: ModelBucket) -> None:
        """Append events, a few at a time, some with an id of the sender's that is sent twice."""
        stream = ObjectStorage(process, sign=False).stream(NAMESPACE)
        for _ in range(self.random.randint(1, 8)):
            events = [self._event() for _ in range(self.random.choice((1, 1, 3)))]
            for _ in range(self.random.choice((1, 1, 2)) if all("x" in event for event in events) else 1):
                try:
                    receipts = stream.append(events)
                except NbflowError as error:
                    if isinstance(error, StorageDamaged):
                        raise Violation(str(error)) from error
                    continue
                for (offset, found), event in zip(receipts, events, strict=True):
                    if found["id"] != event["id"] or self.told.setdefault(offset, found["id"]) != found["id"]:
                        raise Violation(f"offset {offset} is {self.told.get(offset)} and {found['id']}")

    def read(self, process: ModelBucket) -> list[str]:
        """Read everything; what was told when the reading began must be there."""
        stream = ObjectStorage(process, sign=False).stream(NAMESPACE)
        told = dict(self.told)
        found: list[str] = []
        try:
            while page := stream.read(len(found) + 1):
                if [offset for offset, _ in page] != list(range(len(found) + 1, len(found) + 1 + len(page))):
                    raise Violation(f"a page goes from {page[0][0]} to {page[-1][0]}, at {len(found) + 1}")
                found += [event["id"] for _, event in page]
        except EventsPruned as error:
            raise Violation("nothing was pruned") from error
        for offset, event_id in told.items():
            if found[offset - 1 : offset] != [event_id]:
                raise Violation(f"{event_id} was stored at {offset}, where {found[offset - 1 : offset]} is")
        return found

    def _event(self) -> dict[str, Any]:
        event: dict[str, Any] = {"id": f"e{len(self.sent)}", "at": self.shelf.clock, "k": "k"}
        self.sent.add(event["id"])
        return event | ({"x": 1} if self.random.random() < 0.5 else {})


def writers(seed: int) -> StreamHistory:
    """Let several writers and a reader have at one namespace, interleaved at every call of the store."""
    history = StreamHistory(seed)
    random, shelf = history.random, history.shelf
    shelf.faults = Faults(*random.choice(((0.0, 0.0, 0.0, 0.0), (0.01, 0.0, 0.2, 0.0), (0.0, 0.05, 0.1, 0.05))))
    shelf.faults.kill_at = random.choice((0, 1 + int(random.expovariate(1 / 100))))
    shelf.gate = taking_turns(lambda process, call: None)
    with patch.object(streams, "ROLL", 4), patch.object(stream_roll, "PIECE_EVENTS", 6):
        interleave(history, _write, _write, _write, _read)
        shelf.gate = lambda process, call: None
        shelf.be_well()
        for late in shelf.late:
            late()
        found = history.read(shelf.boot())
        if len(set(found)) < len(found) or not history.sent.issuperset(found):
            raise Violation(f"an event came twice, or from nowhere: {found}")
    return history


def _write(history: StreamHistory, process: ModelBucket) -> None:
    try:
        history.write(process)
    except NbflowError as error:
        judge_error(error)


def _read(history: StreamHistory, process: ModelBucket) -> None:
    try:
        history.read(process)
    except NbflowError as error:
        judge_error(error)

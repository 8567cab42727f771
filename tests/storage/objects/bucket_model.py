"""An object store in memory that does to its clients what networks do: loses answers, delays requests, stays silent.

Each call of each process passes a gate twice, before the store carries it out and before its answer arrives. There
another process may have its turn, the process may die, and a request may be carried out much later than its sender
gave it up, or twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TypeVar

from nbflow.errors import StorageUnreachable
from nbflow.storage.objects.bucket import Listed
from nbflow.storage.processes import Process
from tests.storage.disk_model import Killed

T = TypeVar("T")
Landed = Callable[[str, bytes], None]


class Shelf:
    """What the store holds, and the processes that use it. ``landed`` is told of every object that is created."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.objects: dict[str, tuple[bytes, float, str]] = {}
        self.clock = 1_000_000_000.0
        self.versions = 0
        self.processes: dict[int, ModelBucket] = {}
        self.late: list[Callable[[], None]] = []
        """Requests whose senders have given them up, and that are carried out some time later."""
        self.gate: Callable[[ModelBucket, str], None] = lambda process, call: None
        self.faults = Faults()
        self.landed: Landed = lambda key, content: None

    def boot(self) -> ModelBucket:
        """Start a process."""
        process = ModelBucket(self, 1000 + len(self.processes))
        self.processes[process.identity.pid] = process
        return process

    def stop_processes(self) -> None:
        """Kill every process; the store goes on."""
        for process in self.processes.values():
            process.dead = True

    def be_well(self) -> None:
        """Let nothing go wrong any more; what has is still counted."""
        done, self.faults = self.faults, Faults()
        self.faults.injected, self.faults.kills = done.injected, done.kills

    def tick(self) -> None:
        """Let time pass, and perhaps a request arrive that everybody had forgotten."""
        self.clock += 0.4
        if self.late and self.random.random() < 0.1:
            self.late.pop(self.random.randrange(len(self.late)))()

    def create(self, key: str, content: bytes) -> bool:
        if key in self.objects:
            return False
        self.put(key, content)
        self.landed(key, content)
        return True

    def put(self, key: str, content: bytes) -> None:
        self.versions += 1
        self.objects[key] = content, self.clock, str(self.versions)

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.objects.pop(key, None)


class Faults:
    """What goes wrong, and how often; ``kill_at`` is the gate at which the next process dies."""

    def __init__(self, silent: float = 0.0, lost: float = 0.0, repeated: float = 0.0, late: float = 0.0) -> None:
        self.silent, self.lost, self.repeated, self.late = silent, lost, repeated, late
        self.kill_at = 0
        self.gates = 0
        self.injected = 0
        self.kills = 0


class ModelBucket:
    """The store as one process sees it."""

    url = "model://bucket/prefix"

    def __init__(self, shelf: Shelf, pid: int) -> None:
        self.shelf = shelf
        self.dead = False
        host = shelf.random.choice(("here", "here", "there"))
        self.identity = Process(host, f"boot of {host}", pid, "start", f"kernel-{pid}")

    # ---- reading ----

    def get(self, key: str) -> bytes | None:
        def read() -> bytes | None:
            found = self.shelf.objects.get(key)
            return found[0] if found else None

        return self._read("get", read)

    def get_part(self, key: str, start: int, end: int) -> tuple[bytes, int] | None:
        content = self.get(key)
        return None if content is None else (content[start:end], len(content))

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def find(self, prefix: str, *, shallow: bool = False) -> list[Listed]:
        def read() -> list[Listed]:
            found = sorted(key for key in self.shelf.objects if key.startswith(prefix))
            return [
                Listed(key, len(content), changed, version)
                for key in found
                if not (shallow and "/" in key[len(prefix) :])
                for content, changed, version in [self.shelf.objects[key]]
            ]

        return self._read("find", read)

    def folders(self, prefix: str) -> list[str]:
        return sorted({each.key[len(prefix) :].split("/")[0] for each in self.find(prefix)})

    # ---- writing ----

    def create(self, key: str, content: bytes) -> bool:
        return self._write("create", key, lambda: self.shelf.create(key, content), repeats=True)

    def put(self, key: str, content: bytes) -> None:
        self._write("put", key, lambda: self.shelf.put(key, content))

    def put_pieces(self, key: str, pieces: Iterable[memoryview]) -> None:
        self.put(key, b"".join(pieces))

    def copy(self, key: str, to: str) -> bool:
        content = self.get(key)
        if content is not None:
            self.put(to, content)
        return content is not None

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:  # each a call of its own: a crash may come between any two
            self._write("delete", key, lambda key=key: self.shelf.delete([key]))  # type: ignore[misc]

    # ---- the network ----

    def _read(self, call: str, read: Callable[[], T]) -> T:
        self._pass(call)
        self._maybe_silent()
        found = read()
        self._pass(f"answer of {call}")
        return found

    def _write(self, call: str, key: str, write: Callable[[], T], *, repeats: bool = False) -> T:
        self._pass(call)
        self._maybe_silent()
        faults, luck = self.shelf.faults, self.shelf.random.random()
        if luck < faults.late:
            faults.injected += 1
            self.shelf.late.append(lambda: (write(), None)[1])
            raise StorageUnreachable("no answer")
        answer = write()
        self._pass(f"answer of {call}")
        luck = self.shelf.random.random()
        if luck < faults.lost:
            faults.injected += 1
            raise StorageUnreachable("no answer")
        if luck < faults.lost + faults.repeated:
            faults.injected += 1
            again = write()  # the client has asked once more, since it never heard
            self._pass(f"answer of {call}")
            return again if repeats else answer
        return answer

    def _maybe_silent(self) -> None:
        faults = self.shelf.faults
        if faults.silent and self.shelf.random.random() < faults.silent:
            faults.injected += 1
            raise StorageUnreachable("nobody answers")

    def _pass(self, call: str) -> None:
        if self.dead:
            raise Killed
        self.shelf.tick()
        faults = self.shelf.faults
        faults.gates += 1
        if faults.gates == faults.kill_at:
            faults.kills += 1
            self.dead = True
            raise Killed
        self.shelf.gate(self, call)
        if self.dead:
            raise Killed

    # ---- clock, chance and processes ----

    def spawn(self, work: Callable[[], None]) -> Callable[[], None]:
        work()
        return lambda: None

    def now(self) -> float:
        return self.shelf.clock

    def clock_offset(self) -> float:
        return 0.0

    def random_hex(self, size: int) -> str:
        return self.shelf.random.randbytes(size).hex()

    def process(self) -> Process:
        return self.identity

    def is_alive(self, pid: int, started: str) -> bool:
        return not self.shelf.processes[pid].dead

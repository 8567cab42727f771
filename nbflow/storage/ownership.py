"""Say who owns a run, so that a second kernel asks before it takes the run over.

This is politeness only. What keeps two owners apart is the fence of the journal: a heartbeat may lie after a suspended
laptop, a lock outlives its owner in a forked child.
"""

from __future__ import annotations

import json
import threading
import weakref
from typing import Any

from nbflow.errors import RunIsLive

from .foreign import parse
from .os_calls import OS, discard, write_file
from .place import RunPlace

HEARTBEAT_SECONDS = 10.0
"""How often an owner says that it is alive."""
STALE_SECONDS = 60.0
"""The silence after which an owner on another machine counts as dead."""

_FIELDS = {"host": str, "boot_id": str, "pid": int, "pid_start": str, "kernel_id": str, "claim": str}
_held: set[str] = set()
"""The claims that this process holds; a claim of this process that is not among them was given up."""


def read_owner(calls: OS, folder: str) -> tuple[dict[str, Any], float] | None:
    """Return what the owner of a run wrote about itself and the time of its last heartbeat, or None."""
    path = f"{folder}/owner.json"
    try:
        owner = parse(calls.read_all(path))
        # The claim was not synced: after a power cut anything may stand there.
        if not isinstance(owner, dict) or any(type(owner.get(name)) is not kind for name, kind in _FIELDS.items()):
            return None
        return owner, calls.stat(path).st_mtime
    except (OSError, ValueError):
        return None


def is_live(calls: OS, owner: dict[str, Any], heartbeat: float) -> bool:
    """Tell whether an owner is at work: certain on this machine, by its heartbeat on another."""
    me = calls.process()
    if owner["kernel_id"] == me.kernel_id:
        return owner["claim"] in _held
    if owner["host"] == me.host and owner["boot_id"] == me.boot_id:
        return calls.is_alive(owner["pid"], owner["pid_start"])
    return calls.now() - heartbeat < STALE_SECONDS


def live_owner(calls: OS, folder: str) -> dict[str, Any] | None:
    """Return the owner of a run when it is at work."""
    found = read_owner(calls, folder)
    return found[0] if found and is_live(calls, *found) else None


class Ownership:
    """The claim of this process on one run: ``owner.json``."""

    def __init__(self, place: RunPlace) -> None:
        self._calls = place.calls
        self._folder = place.folder
        self._path = f"{place.folder}/owner.json"
        self._workflow_id = place.workflow_id
        self._claim = place.calls.random_hex(8)
        self._lock = threading.Lock()
        self._identity = (0, 0)
        self.owner: dict[str, Any] = {}
        # A run that was dropped without ``close`` is not at work any more.
        weakref.finalize(self, _held.discard, self._claim)

    def refuse_if_live(self) -> None:
        """Raise RunIsLive when somebody else is at work on the run."""
        owner = live_owner(self._calls, self._folder)
        if owner is None or owner["claim"] == self._claim:
            return
        same = owner["kernel_id"] == self._calls.process().kernel_id
        where = "this kernel already" if same else f"process {owner['pid']} on {owner['host']!r}"
        raise RunIsLive(
            self._workflow_id,
            f"Run {self._workflow_id!r} is live in {where}. Use it there, or take it over with takeover=True: the "
            "other one then stops at its next checkpoint.",
            owner,
        )

    def prepare(self, epoch: int) -> None:
        """Write the claim beside its place; on a full disk this fails before anything else is touched."""
        process = self._calls.process()
        self.owner = {**process._asdict(), "epoch": epoch, "claim": self._claim, "since": self._calls.now()}
        write_file(self._calls, self._temporary, json.dumps(self.owner).encode("ascii"), sync=False)
        status = self._calls.stat(self._temporary)
        self._identity = (status.st_dev, status.st_ino)

    def claim(self) -> None:
        """Put the prepared claim into its place."""
        self._calls.rename(self._temporary, self._path)
        _held.add(self._claim)

    def beat(self) -> bool:
        """Renew the heartbeat; return False when the claim is not in its place. Nothing after ``release``."""
        with self._lock:
            if not self.owner:
                return True
            try:
                status = self._calls.stat(self._path)
                if (status.st_dev, status.st_ino) != self._identity:
                    return False
                self._calls.utime(self._path)
            except FileNotFoundError:
                return False
            return True

    def renew(self) -> None:
        """Put the claim into its place again. Nothing after ``release``."""
        with self._lock:
            if self.owner:
                self.prepare(self.owner["epoch"])
                self.claim()

    def release(self) -> None:
        """Take the claim away, unless somebody else's stands there. Idempotent."""
        with self._lock:
            if not self.owner:
                return
            self.owner = {}
            _held.discard(self._claim)
        discard(self._calls, self._temporary)
        found = read_owner(self._calls, self._folder)
        if found is not None and found[0]["claim"] == self._claim:
            discard(self._calls, self._path)

    @property
    def _temporary(self) -> str:
        return f"{self._folder}/owner.json.{self._claim}"

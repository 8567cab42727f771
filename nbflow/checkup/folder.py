"""How good a folder is for checkpoints. What is asked of it is tried, in a folder of its own that is removed after."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..storage.inotify import Changes
from .finding import BAD, GOOD, NOTE, WARN, Finding

AREA = "storage"
SYNCS = 9
SLOW_SYNC = 0.02
"""Seconds of a sync above which a chain of tasks is felt to be slow."""
SKEW = 2.0
"""Seconds by which the clock of the folder may differ from that of this computer."""
LITTLE = 1 << 30
"""Bytes of free space below which it is time to say so."""
FAR = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.drive", "ceph", "lustre", "glusterfs"}
)
"""Kinds of file systems on which another computer keeps the word of fsync and of locks, or does not."""
FLEETING = frozenset({"tmpfs", "ramfs"})


def checked(path: str) -> Iterator[Finding]:
    """Yield what there is to say of a storage folder, or of where it would be made."""
    place = _nearest(path)
    said = near(path) if place == path else f"{near(path)} (not there yet; it is made by the first run)"
    yield Finding(AREA, "folder", GOOD, said)
    yield _file_system(place)
    yield _space(place)
    try:
        probe = tempfile.mkdtemp(prefix=".nbflow-doctor-", dir=place)
    except OSError as error:
        yield Finding(
            AREA, "writable", BAD, f"{error.strerror}: {place}", "nbflow.init(storage='a folder that is yours')"
        )
        return
    try:
        yield Finding(AREA, "writable", GOOD, "a file can be made and written")
        for name, trial in _TRIALS.items():
            yield _tried(name, trial, probe)
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def near(path: str) -> str:
    """Return a folder as a person here would type it."""
    there = os.path.relpath(path)
    return path if there.startswith(os.pardir) else os.path.join(os.curdir, there)


def _nearest(path: str) -> str:
    """Return the folder itself, or the first above it that is there."""
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _tried(name: str, trial: Callable[[str], Finding], probe: str) -> Finding:
    try:
        return trial(probe)
    except OSError as error:
        return Finding(AREA, name, BAD, f"{error.strerror or error}", "nbflow.init(storage='a folder on a local disk')")


# ---- what is looked at ----


def _file_system(place: str) -> Finding:
    kind = kind_of(place)
    if kind in FAR:
        return Finding(
            AREA, "file system", WARN, f"{kind}: on another computer, which must keep what it has said is synced",
            "nbflow.init(storage='a folder on a local disk')",
        )  # fmt: skip
    if kind in FLEETING:
        return Finding(
            AREA, "file system", WARN, f"{kind}: in memory, gone when the computer stops",
            "nbflow.init(storage='a folder on a disk')",
        )  # fmt: skip
    return Finding(AREA, "file system", GOOD if kind else NOTE, kind or "its kind is not known here")


def kind_of(place: str, mounts: str = "/proc/mounts") -> str:
    """Return the kind of file system that a folder is on, '' where the system does not say."""
    found, longest = "", -1
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    real = os.path.realpath(place)
    for line in lines:
        words = line.split(" ")
        point = words[1].replace("\\040", " ") if len(words) > 2 else "\0"
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:
            found, longest = words[2], len(point)
    return found


def _space(place: str) -> Finding:
    free = shutil.disk_usage(place).free
    said = f"{free / 1e9:.1f} GB"
    if free < LITTLE:
        return Finding(AREA, "free space", WARN, said, "nbflow list, then nbflow delete RUN for what is not needed")
    return Finding(AREA, "free space", GOOD, said)


# ---- what is tried ----


def _sync(probe: str) -> Finding:
    sync = getattr(os, "fdatasync", os.fsync)
    took = []
    fd = os.open(f"{probe}/journal", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        for _ in range(SYNCS):
            began = time.perf_counter()
            os.write(fd, b"x" * 200)
            sync(fd)
            took.append(time.perf_counter() - began)
    finally:
        os.close(fd)
    usual = statistics.median(took)
    said = f"{1000 * usual:.2f} ms for one synced record: a chain of 1 000 tasks takes {1000 * usual:.1f} s at least"
    if usual > SLOW_SYNC:
        return Finding(AREA, "sync", WARN, said, "a folder on a local disk, or NBFLOW_DURABILITY=lazy (no power cut)")
    return Finding(AREA, "sync", GOOD, said)


def _rename(probe: str) -> Finding:
    for name, content in (("old", b"old"), ("new", b"new")):
        Path(probe, name).write_bytes(content)
    os.replace(f"{probe}/new", f"{probe}/old")
    kept = Path(probe, "old").read_bytes() == b"new" and not os.path.exists(f"{probe}/new")
    return Finding(AREA, "rename", GOOD if kept else BAD, "replaces a file in one step" if kept else "lost a file")


def _exclusive(probe: str) -> Finding:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    os.close(os.open(f"{probe}/once", flags, 0o600))
    try:
        os.close(os.open(f"{probe}/once", flags, 0o600))
    except FileExistsError:
        return Finding(AREA, "exclusive", GOOD, "of two who make one file, one is told so")
    return Finding(
        AREA, "exclusive", BAD, "two processes can make one file: a run could have two owners",
        "nbflow.init(storage='a folder on a local disk')",
    )  # fmt: skip


def _link(probe: str) -> Finding:
    Path(probe, "blob").write_bytes(b"x")
    try:
        os.link(f"{probe}/blob", f"{probe}/same")
    except OSError:
        return Finding(
            AREA, "hard links", WARN, "none: forks copy large values, and keyed events cannot be written",
            "nbflow.init(storage='a folder on a local disk')",
        )  # fmt: skip
    return Finding(AREA, "hard links", GOOD, "forks share large values")


def _doorbell(probe: str) -> Finding:
    if sys.platform != "linux":
        return Finding(
            AREA, "doorbell", NOTE, "only Linux has inotify; events of other processes are seen 10 times a second"
        )
    os.mkdir(f"{probe}/bell")
    try:
        changes = Changes(f"{probe}/bell")
    except OSError as error:
        return Finding(
            AREA, "doorbell", WARN, f"no inotify ({error.strerror}): events of other processes are looked for",
            "sudo sysctl fs.inotify.max_user_instances=1024",
        )  # fmt: skip
    Path(probe, "bell", "event").touch()
    began = time.perf_counter()
    changes.wait(1.0)
    heard = time.perf_counter() - began < 0.9
    return Finding(
        AREA, "doorbell", GOOD if heard else WARN, "inotify tells of a new event" if heard else "inotify is mute"
    )


def _clock(probe: str) -> Finding:
    before = time.time()
    Path(probe, "stamp").touch()
    skew = os.stat(f"{probe}/stamp").st_mtime - before
    if abs(skew) > SKEW:
        return Finding(
            AREA, "clock", WARN, f"the folder's clock differs by {skew:+.0f} s: an owner may look dead, or alive",
            "timedatectl set-ntp true, on both computers",
        )  # fmt: skip
    return Finding(AREA, "clock", GOOD, "the folder's clock is this computer's")


_TRIALS: dict[str, Callable[[str], Finding]] = {
    "sync": _sync,
    "rename": _rename,
    "exclusive": _exclusive,
    "hard links": _link,
    "doorbell": _doorbell,
    "clock": _clock,
}

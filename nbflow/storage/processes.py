"""Which process this is, and whether another one of the same machine still runs."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from typing import NamedTuple


class Process(NamedTuple):
    """A process as ``owner.json`` names it.

    ``boot_id`` is that of the machine and of its process numbering (a container counts by itself); ``pid_start``
    tells a process from a later one of the same number; both are empty where the system does not say.
    """

    host: str
    boot_id: str
    pid: int
    pid_start: str
    kernel_id: str


_this: Process | None = None


def this_process() -> Process:
    """Return the identity of this process; a forked child gets one of its own."""
    global _this
    if _this is None or _this.pid != os.getpid():
        pid = os.getpid()
        _this = Process(socket.gethostname(), _boot_id(), pid, _start_of(pid), secrets.token_hex(8))
    return _this


def is_alive(pid: int, started: str) -> bool:
    """Tell whether process ``pid`` of this machine runs and is the one that began at ``started``."""
    if sys.platform == "win32":
        return _is_alive_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    now = _start_of(pid)
    # A zombie still has its number but will never write again.
    return not now.startswith("Z") and (not started or not now or started == now)


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program stands in brackets and may hold spaces and brackets itself.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "Z" if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")


def _is_alive_windows(pid: int) -> bool:
    # os.kill(pid, 0) would send Ctrl-C on Windows.
    import ctypes

    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined]
    process = kernel32.OpenProcess(0x0010_0000, False, pid)
    if not process:
        return False
    try:
        return bool(kernel32.WaitForSingleObject(process, 0) == 0x102)
    finally:
        kernel32.CloseHandle(process)

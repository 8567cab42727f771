"""A warm process that forks a program whenever it is asked: a life takes a tenth of a second, not a whole start.

``python -m tests.crash.zygote`` reads requests as lines of JSON and answers each with the number of the new process.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PR_SET_PTRACER, ANYBODY = 0x59616D61, ctypes.c_ulong(-1)
PATIENCE = 120.0


class Zygote:
    """The warm process, from outside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lives: list[Life] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip

    def fork(self, **request: Any) -> Life:
        """Start a life; ``traced`` makes it wait until somebody traces it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with self._lock:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            life = Life(int(self.process.stdout.readline()), Path(request["out"]))
        self._lives.append(life)
        return life

    def close(self) -> None:
        """End it, and what it has forked."""
        for life in self._lives:
            life.kill()
        self.process.communicate(timeout=60)


class Life:
    """One forked process."""

    def __init__(self, pid: int, out: Path) -> None:
        self.pid, self.out = pid, out
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd = -1

    def ended(self) -> bool:
        """Tell whether it has ended."""
        return self._fd < 0 or bool(select.select([self._fd], [], [], 0)[0])

    def check(self) -> None:
        """Wait a moment. Raises AssertionError when it has ended."""
        time.sleep(0.01)
        assert not self.ended(), self.out.read_text()

    def wait(self, seconds: float = PATIENCE) -> None:
        """Return when it has ended. Raises AssertionError, with what it printed, when it does not."""
        if self._fd < 0:
            return
        ended, _, _ = select.select([self._fd], [], [], seconds)
        if not ended:
            self.stacks()
            self.kill()
        os.close(self._fd)
        self._fd = -1
        assert ended, f"it did not end within {seconds} s: {self.out.read_text()}"

    def stacks(self) -> None:
        """Let it print where its threads are."""
        os.kill(self.pid, signal.SIGUSR1)
        time.sleep(1)

    def kill(self) -> None:
        """Kill it with kill -9."""
        if self._fd >= 0:
            signal.pidfd_send_signal(self._fd, signal.SIGKILL)


def _live(request: dict[str, Any]) -> int:
    """Be a life: return its exit code."""
    import faulthandler

    from tests.crash import victims

    fd = os.open(request["out"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    if request.get("traced"):
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)
        while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
            time.sleep(0.001)
    names = ("program", "storage", "diary", "epoch", "argument")
    return victims.live(**{name: request[name] for name in names if name in request})


def main() -> None:
    """Fork whenever asked, until the input ends."""
    import nbflow as nf
    from nbflow.rules import Flow  # noqa: F401  (loaded once, before the forks)
    from tests.crash import victims  # noqa: F401

    for name in nf.__all__:
        getattr(nf, name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if not pid:
            code = 99
            try:
                code = _live(request)
            except BaseException:
                traceback.print_exc()
            finally:
                with open(request["diary"] + ".code", "w", encoding="ascii") as file:
                    file.write(str(code))
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()

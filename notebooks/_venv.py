"""Make the project's ``.venv`` and keep it in step with ``pyproject.toml``, with the standard library alone.

``python3 tests`` and ``python3 notebooks`` both start here, with whatever Python 3.11 or later a machine has. What
makes a bare machine hard, and what is done about it:

- Debian's Python has no ``ensurepip``: the environment is made without pip, and the machine's own pip fills it.
- A killed first try leaves half an environment: a marker file stands in it until it is whole, else it is made anew.
- Two calls at once: the second waits for the first, by a lock on ``pyproject.toml``, which outlives ``.venv``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PYPROJECT = ROOT / "pyproject.toml"
UNFINISHED = VENV / "unfinished"
STAMP = VENV / "installed.json"
# The interpreter behind an active environment: .venv itself cannot be the one that makes .venv anew.
BASE = str(getattr(sys, "_base_executable", None) or sys.executable)

# which extras come with an extra, see pyproject.toml
CONTAINS = {"lab": ("lab",), "docs": ("docs",), "test": ("test", "lab", "docs")}
OLDEST_PYTHON = (3, 11)
OLDEST_PIP = (22, 3)  # the first with `pip --python`
NO_PIP = """\
This Python has no pip that can fill a virtual environment (pip 22.3 or later, or ensurepip).
On Debian and Ubuntu:  sudo apt-get install python3-pip
Elsewhere:             https://pip.pypa.io/en/stable/installation/"""


def say(line: str) -> None:
    """Print one line of progress at once, so that it stands before what child processes print."""
    print(line, flush=True)


def ready(extra: str) -> Path:
    """Return the Python of ``.venv``, in which nbflow and its ``extra`` are installed; make or mend it if need be.

    Takes a minute or two the first time and milliseconds after. Safe to call from several processes at once, and
    again after a call that was killed at any point.
    """
    if sys.version_info < OLDEST_PYTHON:
        stop(f"nbflow needs Python 3.11 or later; {sys.executable} is {sys.version.split()[0]}.")
    with one_at_a_time():
        if UNFINISHED.exists() or not usable(PYTHON):
            make()
        if extra not in up_to_date():
            install(extra)
    return PYTHON


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the lock that lets one process at a time change ``.venv``."""
    try:
        import fcntl
    except ImportError:  # Windows: two first calls at once are the caller's to avoid
        yield
        return
    with PYPROJECT.open("rb") as lock:
        os.set_inheritable(lock.fileno(), True)  # a pip whose parent is killed still holds the lock, see quietly()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another call that is preparing .venv ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def usable(python: Path) -> bool:
    """Tell whether ``python`` starts and is new enough; half an environment or an orphan does not."""
    question = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    try:
        return subprocess.run([python, "-c", question], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except OSError:
        return False


def make() -> None:
    """Make ``.venv`` from nothing, without pip in it; what stood there is removed."""
    again = " anew: the old one is not whole" if VENV.exists() else ""
    say(f"Making .venv (Python {sys.version.split()[0]}){again} ...")
    done = quietly([BASE, "-m", "venv", "--without-pip", "--clear", str(VENV)])
    if done.returncode:
        stop(f"{done.stdout}\n.venv could not be made (see above).")
    UNFINISHED.touch()


def install(extra: str) -> None:
    """Install nbflow in place with its ``extra``, and pip itself for ``%pip`` in a notebook; then note it."""
    pip = find_pip()
    say(f"Installing nbflow[{extra}] in .venv: a minute or two, this once ...")
    began = time.monotonic()
    held = up_to_date()
    UNFINISHED.touch()  # a pip that is killed may leave half a package that looks whole
    done = quietly([*pip, "install", "--quiet", "--no-input", "pip", "--editable", f"{ROOT}[{extra}]"])
    if done.returncode >= 0:
        UNFINISHED.unlink()  # pip ended by itself: what it could not finish it has undone
    if done.returncode:
        stop(f"{done.stdout}\npip could not install what nbflow needs (see above). It is safe to try again.")
    note = {"pyproject": fingerprint(), "extras": sorted({*held, *CONTAINS[extra]})}
    STAMP.write_text(json.dumps(note) + "\n", encoding="utf-8")
    say(f"Installed in {time.monotonic() - began:.0f} s.")


def up_to_date() -> list[str]:
    """Return the extras that ``.venv`` holds as the present ``pyproject.toml`` asks for them."""
    try:
        note = json.loads(STAMP.read_text(encoding="utf-8"))
        return list(note["extras"]) if note["pyproject"] == fingerprint() else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def fingerprint() -> str:
    """Return what an installation depends on: ``pyproject.toml`` and where it stands (the install is in place)."""
    return hashlib.sha256(PYPROJECT.read_bytes() + os.fsencode(ROOT)).hexdigest()


def find_pip() -> list[str]:
    """Return the start of a command for a pip that fills ``.venv``: its own, else this Python's, else ensurepip's."""
    inside = [str(PYTHON), "-m", "pip"]
    if pip_version(inside) is not None:
        return inside
    outside = [BASE, "-m", "pip"]
    if (pip_version(outside) or (0,)) >= OLDEST_PIP:
        return [*outside, "--python", str(PYTHON)]
    done = quietly([str(PYTHON), "-m", "ensurepip"])
    if done.returncode:
        stop(NO_PIP)
    return inside


def pip_version(pip: Sequence[str]) -> tuple[int, ...] | None:
    """Return the version of a pip as numbers, or None where there is none."""
    answer = subprocess.run([*pip, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    words = answer.stdout.split()
    if answer.returncode or len(words) < 2:
        return None
    return tuple(int(part) for part in words[1].split(".")[:2] if part.isdigit())


def quietly(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and keep all that it says, for the case that it fails."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        close_fds=False,  # the lock goes along
    )


def become(command: Sequence[str | Path]) -> NoReturn:
    """Go on as another program in the project's folder: its signals and its exit code are ours."""
    words = [str(word) for word in command]
    os.chdir(ROOT)
    sys.stdout.flush()
    if os.name == "nt":  # an exec on Windows returns to the shell before the program ends
        sys.exit(subprocess.call(words))
    os.execv(words[0], words)


def stop(message: str) -> NoReturn:
    """End with a message for a person, and exit code 1."""
    sys.exit(f"\n{message}")

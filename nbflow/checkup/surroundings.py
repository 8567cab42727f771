"""What is around nbflow: Python, the kernel, the page or terminal before it, this computer, and what is installed."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import socket
import sys
from collections.abc import Iterator, Mapping

from .. import __version__, door
from .finding import BAD, GOOD, NOTE, WARN, Finding

HARMLESS = ("EXECUTOR", "LOOP", "DURABILITY", "HUMAN_TIMEOUT", "FRONTEND", "HTTP", "SIGN")
"""Settings in the environment whose values hold no secret and no folder."""
OLDEST_KERNEL = (6, 30)
NOT_FOR_USERS = frozenset({"test", "docs"})
_NEED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?:>=\s*([0-9.]+))?[^;]*(?:;\s*extra == ['\"]([^'\"]+)['\"])?")

FRONTS = {
    "notebook": (GOOD, "a page with buttons, or a console"),
    "voila": (GOOD, "Voila: a page shows only after all cells have run; use run_async there"),
    "nbval": (NOTE, "nbval: outputs are compared, nobody can click; NBFLOW_ANSWERS answers"),
    "headless": (NOTE, "a notebook that runs with nobody watching; NBFLOW_ANSWERS answers"),
    "terminal": (GOOD, "a terminal: questions are asked line by line"),
    "pipe": (NOTE, "no terminal: nobody can answer here; NBFLOW_ANSWERS, or nbflow answer from elsewhere"),
}


def python() -> Iterator[Finding]:
    """Yield what there is to say of Python and of nbflow itself."""
    area, version = "python", platform.python_version()
    yield Finding(area, "nbflow", GOOD, __version__)
    enough = sys.version_info >= (3, 11)
    yield Finding(area, "Python", GOOD if enough else BAD, f"{version} on {platform.system()} {platform.machine()}")
    yield Finding(area, "cores", GOOD, str(os.cpu_count()))
    try:
        with socket.socket() as door_to_try:
            door_to_try.bind(("127.0.0.1", 0))
        yield Finding(area, "HTTP", GOOD, "a port of 127.0.0.1 can be opened")
    except OSError as error:
        yield Finding(area, "HTTP", WARN, f"no port can be opened ({error.strerror}): nbflow.serve() will not work")
    yield _semaphores()


def _semaphores() -> Finding:
    try:
        import multiprocessing.synchronize  # noqa: F401  (that it can be imported is the question)
    except ImportError:
        return Finding("python", "processes", WARN, "no semaphores: executor='loky' will not work; 'process' does")
    return Finding("python", "processes", GOOD, "tasks can run in processes of their own")


def kernel(modules: Mapping[str, object]) -> Iterator[Finding]:
    """Yield what there is to say of the kernel and of what shows its output; ``modules`` are the loaded ones."""
    area = "notebook"
    if door.in_kernel():
        version = importlib.metadata.version("ipykernel")
        old = numbers(version) < OLDEST_KERNEL
        remedy = "pip install -U ipykernel" if old else ""
        said = f"ipykernel {version}{': buttons work only between cells' if old else ''}"
        yield Finding(area, "kernel", WARN if old else GOOD, said, remedy)
    else:
        yield Finding(area, "kernel", NOTE, "none: this is a script or a terminal")
    try:
        front = door.front_end()
        yield Finding(area, "front end", *FRONTS[front])
    except ValueError as error:
        yield Finding(area, "front end", BAD, str(error), "unset NBFLOW_FRONTEND")
    if "nest_asyncio" in modules:
        yield Finding(
            area, "nest_asyncio", WARN, "the archived nest_asyncio is loaded: it loses queued cells on ipykernel 7.1",
            "pip install 'nbflow[nested]' and import nest_asyncio2 in its place",
        )  # fmt: skip


def environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield which settings the environment has. Values that may be secret are not told."""
    for name in sorted(environ):
        if name.startswith("NBFLOW_"):
            harmless = name.removeprefix("NBFLOW_") in HARMLESS
            yield Finding("environment", name, NOTE, environ[name] if harmless else "is set")


def packages() -> Iterator[Finding]:
    """Yield what nbflow needs and has, and then each extra."""
    try:
        required = importlib.metadata.requires("nbflow") or ()
    except importlib.metadata.PackageNotFoundError:
        said = "is not installed: it was found on the path, and what it needs is not known"
        yield Finding("packages", "nbflow", NOTE, said, "pip install .")
        return
    needs = [need for text in required if (need := _NEED.match(text))]
    for need in needs:
        if need[3] is None:
            yield _needed(need[1], need[2] or "")
    extras: dict[str, list[tuple[str, str]]] = {}
    for need in needs:
        if need[3] and need[3] not in NOT_FOR_USERS and need[1] != "nbflow":
            extras.setdefault(need[3], []).append((need[1], need[2] or ""))
    for name, wanted in sorted(extras.items()):
        yield _extra(name, wanted)


def _needed(name: str, least: str) -> Finding:
    found = version_of(name)
    if found is None:
        return Finding("packages", name, BAD, "is not installed", f"pip install '{name}>={least}'")
    if numbers(found) < numbers(least):
        return Finding("packages", name, BAD, f"{found} is too old", f"pip install -U '{name}>={least}'")
    return Finding("packages", name, GOOD, found)


def _extra(extra: str, wanted: list[tuple[str, str]]) -> Finding:
    install = f"pip install 'nbflow[{extra}]'"
    have = {name: version_of(name) for name, _ in wanted}
    old = [name for name, least in wanted if (found := have[name]) and numbers(found) < numbers(least)]
    if old:
        return Finding("extras", extra, WARN, f"{', '.join(old)} is too old", install.replace("install", "install -U"))
    missing = [name for name, found in have.items() if found is None]
    if missing:
        return Finding("extras", extra, NOTE, f"not installed: {', '.join(missing)}", install)
    return Finding("extras", extra, GOOD, ", ".join(f"{name} {found}" for name, found in have.items()))


def version_of(name: str) -> str | None:
    """Return the version of an installed distribution, None when it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, to be compared."""
    return tuple(int(part) for part in re.match(r"[0-9]*(?:\.[0-9]+)*", version)[0].split(".") if part)  # type: ignore[index]

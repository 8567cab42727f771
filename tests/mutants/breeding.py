"""Apply a mutant to a copy of the package, and see whether what must notice it does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from .catalog import Mutant

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 300
"""Seconds after which a test that hangs has noticed a mutant, too."""
SEEDS = 1_500
"""Histories of the simulation after which a mutant has survived; nearly all die within a hundred."""


class Outcome(NamedTuple):
    """What became of a mutant."""

    killed: bool
    seconds: float
    said: str


def changed(mutant: Mutant, source: str) -> str:
    """Return the source with the mutant's change. Raises ValueError when it is not there, or not once."""
    for old, new in mutant.changes:
        if source.count(old) != 1:
            raise ValueError(f"{mutant.name!r}: {old!r} stands {source.count(old)} times in {mutant.file}")
        source = source.replace(old, new)
    return source


@contextmanager
def nest() -> Iterator[Path]:
    """Give a copy of the package and its tests."""
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("nbflow", "tests"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "browser"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        yield copy


def breed(mutant: Mutant, copy: Path) -> Outcome:
    """Apply a mutant to a copy, let the tests look for it, and take it back."""
    file = copy / mutant.file
    source = file.read_text(encoding="utf-8")
    file.write_text(changed(mutant, source), encoding="utf-8")
    try:
        return hunt(mutant.killer, copy)
    finally:
        file.write_text(source, encoding="utf-8")


def hunt(killer: tuple[str, ...], copy: Path) -> Outcome:
    """Run what must fail."""
    how, *what = killer
    if how == "simulation":
        command = [sys.executable, "-W", "ignore", "-m", "tests.simulation", *what, "0", str(SEEDS)]
    else:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *what]
    env = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "NBFLOW_TEST_LIMIT": "15"}
    for name in ("PYTEST_CURRENT_TEST", "PYTEST_ADDOPTS", "NBFLOW_SOAK", "NBFLOW_FIGURES"):
        env.pop(name, None)
    began = time.monotonic()
    try:
        done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(True, time.monotonic() - began, "it hangs")
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    telling = [line for line in said if "Violation:" in line or line.startswith(("E  ", "FAILED"))]
    noticed = done.returncode == 1 and (how == "pytest" or any("Violation:" in line for line in said))
    return Outcome(noticed, time.monotonic() - began, (telling or said or ["nothing"])[-1].strip()[:150])

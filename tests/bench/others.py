"""The peers: each is installed into an environment of its own, kept in a cache folder, and does the same work there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PEERS: dict[str, list[str]] = {
    "DBOS": ["dbos>=3.4"],
    "LangGraph": ["langgraph>=1.2", "langgraph-checkpoint-sqlite>=3.1"],
    "Prefect": ["prefect>=3.8", "fastapi<0.145"],  # with a newer fastapi the server of Prefect 3.8.8 does not start
    "joblib": ["joblib>=1.6"],
}
"""What pip gets for each; the first is the one whose version is told."""
SCRIPTS = Path(__file__).parent / "peers"
INSTALL = 900.0
"""Seconds that an installation may take."""


def cache_folder() -> Path:
    """Return where the environments are kept: ``NBFLOW_BENCH_CACHE``, else a folder of the user's cache."""
    named = os.environ.get("NBFLOW_BENCH_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "nbflow-bench"


class Peer:
    """One peer. ``trouble`` says why it cannot be measured, and is empty when it can."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.home = cache_folder() / name.lower()
        self.version = ""
        self.trouble = ""

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def install(self) -> None:
        """Make its environment, unless it is there."""
        ready = self.home / "ready"
        try:
            if not ready.exists():
                shutil.rmtree(self.home, ignore_errors=True)
                _call([sys.executable, "-m", "venv", str(self.home)])
                _call([str(self.python), "-m", "pip", "install", "-q", *PEERS[self.name]])
                ready.touch()
            package = PEERS[self.name][0].partition(">")[0]
            asked = f"from importlib.metadata import version; print(version({package!r}))"
            self.version = _call([str(self.python), "-c", asked]).strip()
        except (OSError, subprocess.SubprocessError) as error:
            self.trouble = f"not installed: {_last_line(error)}"

    def rate(self, folder: Path, work: str, count: int, size: int, patience: float) -> str:
        """Return steps a second, or why there are none."""
        if self.trouble:
            return self.trouble
        script = SCRIPTS / f"{self.name.lower()}_peer.py"
        words = [str(self.python), str(script), str(folder), work, str(count), str(size)]
        try:
            said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=patience).stdout
        except subprocess.TimeoutExpired:
            return f"over {patience:.0f} s"
        except subprocess.SubprocessError as error:
            return f"failed: {_last_line(error)}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return f"{float(said.rpartition('steps a second: ')[2]):.0f}"


def _call(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=INSTALL).stdout


def _last_line(error: Exception) -> str:
    said = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return said[-1][:60] if said else type(error).__name__

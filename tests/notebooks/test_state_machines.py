"""The tutorial about state machines: it shows what its saved outputs say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TUTORIAL = "04-state-machines.ipynb"


def cells() -> list[dict[str, Any]]:
    """Return the code cells of the tutorial as they are saved."""
    notebook = json.loads((ROOT / "notebooks" / TUTORIAL).read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_every_code_cell_was_executed_once_in_order_before_it_was_saved() -> None:
    assert [cell["execution_count"] for cell in cells()] == list(range(1, len(cells()) + 1))


def test_the_saved_outputs_hold_no_error_no_address_and_no_folder_of_ours() -> None:
    saved = json.dumps([cell["outputs"] for cell in cells()])
    assert '"output_type": "error"' not in saved
    assert " at 0x" not in saved and str(Path.home()) not in saved and "/tmp/" not in saved


@pytest.mark.slow
def test_it_shows_what_its_saved_outputs_say(tmp_path: Path) -> None:
    """nbval runs every cell in a new kernel and compares."""
    ignored = shutil.ignore_patterns(".*", "scratch*", "report", "__pycache__")
    copied = Path(shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=ignored))
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=300", "-q", "-p", "no:cacheprovider"]
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", *options, copied / TUTORIAL],
        cwd=copied.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{len(cells())} passed" in answer.stdout

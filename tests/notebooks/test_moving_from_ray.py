"""The tutorial for those who come from Ray Workflows shows what its saved outputs say, and each page's examples."""

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
TUTORIAL = "08-moving-from-ray-workflows.ipynb"


def cells(kind: str) -> list[dict[str, Any]]:
    """Return the cells of a kind as they are saved."""
    notebook = json.loads((ROOT / "notebooks" / TUTORIAL).read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_it_was_executed_in_order_before_it_was_saved_and_shows_no_error_and_no_place() -> None:
    saved = cells("code")
    assert [cell["execution_count"] for cell in saved] == list(range(1, len(saved) + 1))
    outputs = json.dumps([cell["outputs"] for cell in saved])
    for unwanted in ('"output_type": "error"', '"name": "stderr"', " at 0x", str(Path.home()), "/tmp/"):
        assert unwanted not in outputs


def test_it_has_each_page_of_the_documentation_and_what_differs() -> None:
    headings = [
        line for cell in cells("markdown") for line in "".join(cell["source"]).splitlines() if line[:3] == "## "
    ]
    pages = ["Getting started", "Key concepts", "Management", "Metadata", "Events", "Advanced", "Comparisons"]
    assert headings == [f"## {page}" for page in [*pages, "What differs", "Moving a code base"]]


@pytest.mark.slow
def test_it_shows_what_its_saved_outputs_say(tmp_path: Path) -> None:
    """nbval runs every cell in a new kernel and compares; twice, since what the first left must not matter."""
    for name in (TUTORIAL, "conftest.py", "_execute.py"):
        shutil.copy(ROOT / "notebooks" / name, tmp_path)
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=300", "-q", "-p", "no:cacheprovider"]
    for _ in range(2):
        answer = subprocess.run(
            [sys.executable, "-m", "pytest", *options, TUTORIAL],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert f"{len(cells('code'))} passed" in answer.stdout

"""The README keeps its word: its first workflow runs, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def play(code: str, **environment: str) -> list[str]:
    """Run an example as a program of its own and return what it printed."""
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout.splitlines()


def test_the_first_workflow_gives_what_the_text_says(tmp_path: Path) -> None:
    promised = re.search(r"here (\d+) after an approval", README)
    assert promised is not None
    said = play(
        EXAMPLES[0] + "\nprint(run.result(timeout=60))",
        NBFLOW_ANSWERS='{"Close the books?": "approve"}',
        NBFLOW_STORAGE=str(tmp_path),
    )
    assert said[-1:] == [promised[1]]


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_a_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()

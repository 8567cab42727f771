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


def test_the_first_workflow_gives_what_the_text_says(tmp_path: Path) -> None:
    example = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    promised = re.search(r"here (\d+) after an approval", README)
    assert promised is not None
    answers = {"NBFLOW_ANSWERS": '{"Close the books?": "approve"}', "NBFLOW_STORAGE": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", example + "\nprint(run.result(timeout=60))"],
        cwd=ROOT,
        env={**os.environ, **answers},
        capture_output=True,
        text=True,
    )
    assert answer.stdout.splitlines()[-1:] == [promised[1]], answer.stdout + answer.stderr


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_a_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()

"""The types of the public API are what tests/typing/api.py says, for mypy and for pyright."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
API = HERE / "api.py"


def check(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=300)


def pyright(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Check a file as pyright does by default; ``basedpyright`` is pyright in a wheel that brings its own node."""
    config = folder / "pyrightconfig.json"
    settings = {
        "include": [str(source)],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "standard",
        "pythonVersion": "3.11",
        "reportUnnecessaryTypeIgnoreComment": True,
        "enableTypeIgnoreComments": False,
    }
    config.write_text(json.dumps(settings))
    return check("basedpyright", "--pythonpath", sys.executable, "-p", config)


def test_mypy_agrees() -> None:
    answer = check("mypy", "--strict", "--warn-unused-ignores", API)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_pyright_agrees(tmp_path: Path) -> None:
    answer = pyright(API, tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_both_see_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import nbflow as nf\n\n\n@nf.task\ndef half(n: int) -> int:\n    return n // 2\n\n\nhalf('x')\n")
    assert "incompatible type" in check("mypy", "--strict", wrong).stdout
    assert "reportArgumentType" in pyright(wrong, tmp_path).stdout

"""SECURITY.md claims nothing without a test, and names no test that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_each_test_that_is_named_is_there(path: str, name: str) -> None:
    assert f"\ndef {name}(" in (ROOT / path).read_text("utf-8")


@pytest.mark.parametrize(
    "chapter",
    ["A storage folder is code", "Signing", "Secrets", "The HTTP endpoint", "Links", "What is shown", "Dependencies"],
)
def test_each_chapter_names_tests(chapter: str) -> None:
    part = TEXT.partition(f"\n## {chapter}\n")[2].partition("\n## ")[0]
    assert len(re.findall(r"`tests/[\w/]+\.py::\w+`", part)) >= 2, chapter

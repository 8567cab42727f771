"""CONTRIBUTING keeps its word: its links lead somewhere and its commands are there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", TEXT))))
def test_a_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m (tests[.\w]+)", TEXT))))
def test_a_command_is_there(module: str) -> None:
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize("folder", sorted(set(re.findall(r"`(tests/[\w/]+)`", TEXT))))
def test_a_folder_is_there(folder: str) -> None:
    assert (ROOT / folder).exists()

"""No row is forgotten: each that nbflow answers for is in the name of a test."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.conformance import ray_rows

TESTS = Path(__file__).resolve().parent.parent
ROWS = {
    row: f"{kind}, {area}"
    for kind in ("MATCH", "BEAT")
    for area, rows in getattr(ray_rows, kind).items()
    for row in rows.split()
}


@cache
def rows_with_a_test() -> frozenset[str]:
    """Return the ids of rows in the names of all test functions."""
    found: set[str] = set()
    for module in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.update(re.findall(r"(?<![A-Za-z0-9])C\d{3}(?=_)", node.name))
    return frozenset(found)


def test_the_list_of_rows_is_whole() -> None:
    assert len(ROWS) == 200 - len(ray_rows.INFORMATION.split())
    assert not set(ROWS) & set(ray_rows.INFORMATION.split())


@pytest.mark.parametrize("area", sorted({*ray_rows.MATCH, *ray_rows.BEAT}))
def test_every_row_has_a_test(area: str) -> None:
    of_area = {row for row, place in ROWS.items() if place.endswith(f", {area}")}
    assert of_area - rows_with_a_test() == set()


def test_no_test_claims_a_row_that_there_is_not() -> None:
    assert rows_with_a_test() <= {f"C{number:03}" for number in range(1, 201)}

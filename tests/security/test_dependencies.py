"""What nbflow depends on is what SECURITY.md says: these packages, these licences, no version with a known fault."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest

from . import audit


def test_the_dependencies_are_those_of_the_table() -> None:
    declared, table = audit.declared(), audit.table()
    assert declared.keys() == table.keys()
    too_old = {name for name, row in table.items() if audit.as_numbers(declared[name]) < audit.as_numbers(row.least)}
    assert too_old == set(), "pyproject.toml lets in what SECURITY.md does not"


@pytest.mark.parametrize("name", [*audit.table()])
def test_what_is_installed_has_the_licence_and_the_version_of_the_table(name: str) -> None:
    row = audit.table()[name]
    try:
        found = version(name)
    except PackageNotFoundError:
        assert name in audit.declared()  # an extra that the tests do not need
        return
    assert audit.as_numbers(found) >= audit.as_numbers(row.least)
    assert any(word in audit.licence(name) for word in audit.LICENCES[row.licence]), audit.licence(name)

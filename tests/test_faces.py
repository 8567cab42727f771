"""A face names what is in other modules: completion sees all of it, and each name is imported once, when it is used."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest

import nbflow
from nbflow.faces import on_first_use

PACKAGE = Path(nbflow.__file__).parent
FACES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).parent.parts)
    for path in PACKAGE.rglob("__init__.py")
    if "on_first_use(" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", FACES)
def test_a_face_has_each_of_its_names_and_no_other(name: str) -> None:
    face = importlib.import_module(name)
    homes = vars(face)["_HOMES"]
    assert sorted(face.__all__) == sorted(homes) and {*homes} <= {*dir(face)}
    for each in homes:
        assert getattr(face, each) is getattr(importlib.import_module(homes[each], name), each)
        assert each in vars(face), "it is asked for once"
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'flwo'"):
        _ = face.flwo


@pytest.mark.parametrize("name", FACES)
def test_type_checkers_are_told_the_homes_that_the_names_have(name: str) -> None:
    face = importlib.import_module(name)
    syntax = ast.parse(Path(face.__file__ or "").read_text(encoding="utf-8"))
    told = {
        alias.name: "." * node.level + (node.module or "")
        for block in syntax.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told in ({}, vars(face)["_HOMES"])


def test_rooms_are_there_without_an_import_of_their_own() -> None:
    find, names = on_first_use("nbflow", {}, ["errors"])
    assert find("errors") is sys.modules["nbflow.errors"] and "errors" in names()

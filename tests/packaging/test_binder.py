"""The files of Binder say what repo2docker understands. Its steps themselves: ``python -m tests.packaging.binder``."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent.parent
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def lines(name: str) -> list[str]:
    return [line for line in (BINDER / name).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]


def test_there_are_the_files_that_repo2docker_reads_and_no_others() -> None:
    assert sorted(path.name for path in BINDER.iterdir()) == ["apt.txt", "postBuild", "requirements.txt", "runtime.txt"]


def test_the_python_is_one_that_nbflow_runs_on() -> None:
    (runtime,) = lines("runtime.txt")
    assert f"Programming Language :: Python :: {runtime.removeprefix('python-')}" in PROJECT["classifiers"]


def test_the_packages_are_named_as_apt_names_them() -> None:
    assert [name for name in lines("apt.txt") if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", name)] == []


def test_the_project_itself_is_installed_with_extras_that_it_has() -> None:
    (wanted,) = lines("requirements.txt")
    extras = re.fullmatch(r"-e \.\[([a-z0-9,]+)\]", wanted)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(PROJECT["optional-dependencies"])
    assert "lab" in extras[1].split(",")


def test_the_last_step_can_be_run_and_reads_well() -> None:
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").startswith("#!/bin/bash\n")
    assert subprocess.run(["bash", "-n", script]).returncode == 0


def needs(wanted: list[str]) -> set[str]:
    """Return the names of all distributions that come with these requirements, as they are installed here."""
    found: set[str] = set()
    work = [Requirement(text) for text in wanted]
    while work:
        need = work.pop()
        if need.name == "nbflow":
            work += [Requirement(text) for each in need.extras for text in PROJECT["optional-dependencies"][each]]
            continue
        name = need.name.lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        try:
            required = [Requirement(text) for text in importlib.metadata.requires(name) or ()]
        except importlib.metadata.PackageNotFoundError:
            continue
        work += [each for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def imported(tutorial: Path) -> set[str]:
    """Return the modules that the cells of a tutorial import, but those of Python itself."""
    cells = json.loads(tutorial.read_text(encoding="utf-8"))["cells"]
    modules: set[str] = set()
    for cell in cells:
        lines = "".join(cell["source"]).splitlines() if cell["cell_type"] == "code" else []
        tree = ast.parse("\n".join(line for line in lines if not line.lstrip().startswith(("!", "%"))) or "pass")
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    return modules - set(sys.stdlib_module_names) - {"nbflow"}


@pytest.mark.parametrize("tutorial", sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_the_extra_of_the_tutorials_brings_all_that_they_import(tutorial: Path) -> None:
    have = needs([*PROJECT["dependencies"], "nbflow[lab]"])
    homes = importlib.metadata.packages_distributions()
    lacking = {
        module for module in imported(tutorial) if not {name.lower() for name in homes.get(module, [])} & have
    }  # fmt: skip
    assert lacking == set()

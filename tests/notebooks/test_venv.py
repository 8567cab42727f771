"""The ``.venv`` that both commands make: on a bare Python, after a kill, and from two calls at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "nbflow"
version = "0.0.1"
[project.optional-dependencies]
lab = []
test = []
"""
# Debian's Python without the package python3-venv: no ensurepip, so `python3 -m venv` cannot put a pip in.
NO_ENSUREPIP = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ensurepip":
            raise ModuleNotFoundError("No module named 'ensurepip'")
sys.meta_path.insert(0, Hide())
"""
READY = "import sys; sys.path.insert(0, 'notebooks'); import _venv; print(_venv.ready(sys.argv[1]))"


class Project:
    """A small project of the same shape, in an empty folder, with the Python of a bare Debian."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / ".venv"
        for name, text in {
            "pyproject.toml": PYPROJECT,
            "nbflow/__init__.py": "",
            "bare/sitecustomize.py": NO_ENSUREPIP,
        }.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        (folder / "notebooks").mkdir()
        shutil.copy(ROOT / "notebooks" / "_venv.py", folder / "notebooks")

    def start(self, extra: str = "test") -> subprocess.Popen[str]:
        """Ask for the environment in a new process."""
        return subprocess.Popen(
            [getattr(sys, "_base_executable", sys.executable), "-c", READY, extra],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder / "bare")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, extra: str = "test") -> str:
        """Ask for the environment, and return what was printed."""
        asked = self.start(extra)
        printed, _ = asked.communicate(timeout=300)
        assert asked.returncode == 0, printed
        return printed

    def can_import(self) -> bool:
        """Tell whether the environment holds the project."""
        return subprocess.run([self.venv / "bin" / "python", "-c", "import nbflow, pip"], cwd="/").returncode == 0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give a project whose environment has been made once, without ensurepip."""
    made = Project(tmp_path_factory.mktemp("project"))
    assert "Installing nbflow[test]" in made.ask()
    return made


pytestmark = pytest.mark.slow


def test_it_is_made_without_ensurepip_and_holds_the_project_and_pip(project: Project) -> None:
    assert project.can_import()


def test_a_second_call_installs_nothing_and_the_tests_environment_serves_the_tutorials_too(project: Project) -> None:
    for extra in ("test", "lab"):
        assert project.ask(extra).splitlines() == [str(project.venv / "bin" / "python")]


def test_a_changed_pyproject_is_installed_anew_in_the_same_environment(project: Project) -> None:
    kept = project.venv / "kept"
    kept.touch()
    (project.folder / "pyproject.toml").write_text(PYPROJECT + "# changed\n")
    assert "Installing" in project.ask()
    assert kept.exists()


def test_half_an_environment_is_made_anew(project: Project) -> None:
    (project.venv / "bin" / "python").unlink()
    assert "anew" in project.ask()
    assert project.can_import()


def test_a_call_that_was_killed_while_it_installed_is_made_good(project: Project) -> None:
    (project.venv / "installed.json").unlink()
    killed = project.start()
    while not (project.venv / "unfinished").exists():
        assert killed.poll() is None, "it ended before it could be killed"
    killed.kill()
    killed.communicate()
    assert "anew" in project.ask()
    assert project.can_import()


def test_of_two_calls_at_once_one_installs_and_the_other_waits_for_it(project: Project) -> None:
    (project.venv / "installed.json").unlink()
    printed = sorted(asked.communicate(timeout=300)[0] for asked in [project.start(), project.start()])
    assert [text.count("Installing") for text in printed] == [1, 0]
    assert project.can_import()

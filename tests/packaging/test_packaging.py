"""The wheel and the sdist hold what they should and nothing else, and work where the checkout is not.

uv installs them: it downloads in parallel, and can ask for the oldest versions that ``pyproject.toml`` allows.
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import figures
from tests.crash.test_pythons import HERE, VERSIONS, find

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SERVER_CONFIG = "etc/jupyter/jupyter_server_config.d/nbflow.json"
OURS = {"nbflow", "tests", "notebooks", "binder"}
FILES = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "pyproject.toml", "PKG-INFO"}
NEVER = (
    "__pycache__",
    ".nbflow/",
    "scratch",
    "notebooks/report/",
    "reference/build",
    ".venv",
    ".hypothesis",
    ".ipynb_",
)
HEAVY = "pandas numpy ipywidgets anywidget tornado IPython loky graphviz"

PROGRAM = f"""
import sys
import nbflow as nf
heavy = set({HEAVY!r}.split()) & {{name.split('.')[0] for name in sys.modules}}
assert not heavy, heavy
assert sys.prefix in nf.__file__, nf.__file__

@nf.task
def add(a, b):
    return a + b

@nf.task(executor="process")
def double(x):
    return 2 * x

run = nf.run_async(double.bind(add.bind(1, nf.wait_for_event("two"))), workflow_id="installed")
run.send("two", 2)
assert run.result() == 6
assert len(run.to_dataframe()) == 3 and "<svg" in run._repr_mimebundle_()["text/html"].replace("data:image/svg", "<svg")
assert run.to_dot().source.startswith("digraph")
order = nf.Workflow("Order")

@order.start()
async def start(ctx):
    return ctx.next.complete("done")

assert nf.start_workflow(workflow_type="Order").result() == "done"
with nf.testing.answers(close="yes"):
    assert nf.run(nf.wait_for_event(nf.ButtonListener, "Close?", options=["yes", "no"])).option == "yes"
assert nf.doctor().ok, nf.doctor()
print("well")
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist: what is missing in the one cannot be in the other."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """Give the wheel."""
    (found,) = dist.glob("*.whl")
    return found


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command away from the checkout, and return what it printed; it must end well."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def install(python: Path, folder: Path, *what: str | Path) -> Path:
    """Make an environment of a Python with something in it; return its own Python."""
    uv = (sys.executable, "-m", "uv")
    run(*uv, "venv", "--quiet", "--python", python, folder, cwd=folder.parent)
    installed = folder / "bin" / "python"
    run(*uv, "pip", "install", "--quiet", "--python", installed, *what, cwd=folder.parent)
    return installed


def test_the_sdist_holds_the_sources_and_nothing_of_a_person(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    tops = {name.partition("/")[0] for name in names}
    assert tops - {".gitignore"} <= OURS | FILES
    assert [name for name in names if any(word in name for word in NEVER)] == []
    for wanted in ("README.md", "LICENSE", "notebooks/01-quickstart.ipynb", "notebooks/reference/conf.py",
                   "tests/packaging/test_packaging.py", "binder/postBuild"):  # fmt: skip
        assert wanted in names


def test_the_wheel_holds_the_package_with_all_its_files_and_the_extension_of_the_server(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry,) = [name for name in names if name.endswith("entry_points.txt")]
        scripts = configparser.ConfigParser()
        scripts.read_string(archive.read(entry).decode())
    assert scripts["console_scripts"]["nbflow"] == "nbflow.cli:main"
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "nbflow").rglob("*") if path.is_file()}
    there = {path for path in there if "__pycache__" not in path and "jupyter_server_config.d" not in path}
    assert there <= names
    others = {name for name in names - there if ".dist-info/" not in name and "jupyter_server_config.d" not in name}
    assert others == set()
    assert any(name.endswith(f".data/data/{SERVER_CONFIG}") for name in names)


def pythons() -> Iterator[str]:
    """Yield the versions that this machine has, ours first; what it lacks is said in the figures."""
    for version in sorted(VERSIONS, key=lambda version: version != HERE):
        if find(version) is not None:
            yield version
        else:
            figures.not_tried(f"nbflow installed on Python {version}", f"no python{version} is installed")


@pytest.mark.parametrize("version", [*pythons()])
def test_it_works_as_it_is_installed(version: str, wheel: Path, tmp_path: Path) -> None:
    found = find(version)
    assert found is not None
    python = install(found, tmp_path / "env", wheel)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert run(python, "-P", "-W", "error", "-c", PROGRAM, cwd=elsewhere).splitlines()[-1] == "well"
    command = python.with_name("nbflow")
    assert "installed" in run(command, "list", cwd=elsewhere)
    assert "\tPython\t" in run(command, "doctor", cwd=elsewhere)
    assert PROJECT["version"] in run(command, "version", cwd=elsewhere)
    assert (tmp_path / "env" / SERVER_CONFIG).exists()
    shutil.rmtree(tmp_path / "env")


def test_the_oldest_versions_that_are_allowed_work(wheel: Path, tmp_path: Path) -> None:
    """What our requirements require in turn is as new as it comes: nobody tests with the lower bounds of those."""
    bounds = PROJECT["dependencies"]  # uv takes the oldest only of what is named to it, not of what a wheel needs
    python = install(Path(sys.executable), tmp_path / "env", "--resolution", "lowest-direct", wheel, *bounds)
    asked = "import importlib.metadata as m; print(*[m.version(n) for n in ('cloudpickle', 'pandas')])"
    oldest = dict(bound.split(">=") for bound in bounds)
    found = run(python, "-c", asked, cwd=tmp_path).split()
    assert all(version.startswith(oldest[name]) for version, name in zip(found, ("cloudpickle", "pandas"), strict=True))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert run(python, "-P", "-c", PROGRAM, cwd=elsewhere).splitlines()[-1] == "well"


def test_each_extra_is_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in PROJECT["optional-dependencies"] if f"`{name}`" not in readme] == []

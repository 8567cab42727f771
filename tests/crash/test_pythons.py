"""Python 3.11, 3.12 and 3.13 go on with each other's runs, after a kill -9; stored code of another one is refused.

Bytecode of another minor version does not fail: called, it ends the interpreter. So a kernel refuses it before it loads
it, and says how to go on. A Python that the machine has not is named in the figures; what that one stored is opened in
any case, from tests/golden. Where there is but one it goes on with its own runs here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import cloudpickle
import pytest

from tests import figures
from tests.engine.tools import ROOT, kill_at

pytestmark = [pytest.mark.crash, pytest.mark.slow]
VERSIONS = ("3.11", "3.12", "3.13")
PATIENCE = 60.0
"""Seconds after which a stage that hangs is killed; its reader then says what it had printed."""
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"

PROGRAM = """
import datetime, sys, warnings
import nbflow as nf
from nbflow.errors import CheckpointError, WorkflowNotResumableError

storage, effects, stage = sys.argv[1], sys.argv[2], int(sys.argv[3])
nf.init(storage=storage)
def effect(word):
    with open(effects, "a") as file: file.write(word + "\\n")

@nf.task
def begin():
    effect("begin")
    return {1, datetime.date(2026, 11, 21)}

@nf.task
def make():
    effect("make")
    return lambda x: x + 1

@nf.task
def step(found, made, number):
    effect(f"step {number}")
    return found | {number}

found, made = begin.bind(), make.bind()
for n in (1, 2):
    found = step.options(task_id=f"step {n}").bind(found, 0, nf.wait_for_event(f"go-{n}"))
pair = nf.task(lambda found, made: sorted(map(str, found)), name="pair", catch_exceptions=False)
dag = pair.bind(found, 0)

if stage == 1:
    nf.run(nf.task(lambda make: 1, name="keep").bind(made), workflow_id="made")
else:
    print("listed", [str(status) for id, status in nf.list_all() if id == "chain"], flush=True)
    try:
        nf.resume_async("chain").detach()
    except WorkflowNotResumableError as error:
        print("refused", error, flush=True)
    try:
        nf.get_output("made", task_id="make")
    except CheckpointError as error:
        print("kept off", error, flush=True)
if stage == 4:
    print("result", nf.run(dag, workflow_id="chain"), flush=True)
    sys.exit()
run = nf.run_async(dag, workflow_id="chain")
if stage > 1:
    print("sent", bool(nf.send("chain", f"go-{stage - 1}", stage - 1, id=f"e{stage}")), flush=True)
while len([n for n in run.state.nodes if n.status.finished]) < {1: 1, 2: 3, 3: 6}[stage]:
    import time; time.sleep(0.01)
print("there", flush=True)
sys.stdin.readline()
"""


PLACES = (
    Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions"),
    Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python"),
    Path(os.environ.get("RUNNER_TOOL_CACHE") or "/opt/hostedtoolcache", "Python"),
    Path("/opt/python"),
)
"""Where Pythons lie that are not on the PATH: those of pyenv, of uv, of a runner of CI, and of an image for wheels."""


def find(version: str) -> Path | None:
    """Return the interpreter of a version: this one, else the first on the PATH or in a known place that works."""
    if version == HERE:
        return Path(sys.executable)
    candidates = [Path(path) for path in [shutil.which(f"python{version}")] if path]
    for place in PLACES:
        candidates += sorted(place.glob(f"*{version}*/**/bin/python{version}"))
    for candidate in candidates:
        answer = subprocess.run([candidate, "-c", "import sys; print(sys.version)"], capture_output=True, text=True)
        if answer.returncode == 0 and answer.stdout.startswith(f"{version}."):
            return candidate
    return None


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the one library that nbflow needs in a script: it is pure Python, so any version takes it."""
    folder = tmp_path_factory.mktemp("libraries")
    (folder / "cloudpickle").symlink_to(Path(str(cloudpickle.__file__)).parent)
    return folder


def start(version: str, libraries: Path, folder: Path, stage: int) -> subprocess.Popen[str]:
    """Start one stage of the chain in a Python."""
    python = find(version)
    assert python is not None
    process = subprocess.Popen(
        [str(python), "-W", "ignore", "-c", PROGRAM, str(folder / "storage"), str(folder / "effects"), str(stage)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{libraries}", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    limit = threading.Timer(PATIENCE, process.kill)
    limit.daemon = True
    limit.start()
    return process


def chain() -> list[str]:
    """Return the versions that this machine has; what it lacks is said in the figures."""
    found = []
    for version in VERSIONS:
        if find(version) is not None:
            found.append(version)
        else:
            figures.not_tried(f"Python {version} going on with a run of {HERE}", f"no python{version} is installed")
    return found


@pytest.mark.parametrize("turn", [1, -1], ids=["upwards", "downwards"])
def test_a_run_goes_through_all_pythons_and_is_killed_in_each(turn: int, libraries: Path, tmp_path: Path) -> None:
    versions = chain()[::turn]
    order = [*versions, *versions, *versions][:3]
    order = [*order, next((version for version in versions if version != order[2]), order[2])]
    maker, effects = order[0], tmp_path / "effects"
    for stage, version in enumerate(order, 1):
        process = start(version, libraries, tmp_path, stage)
        said = kill_at(process, "there" if stage < 4 else "result [")
        figures.count("crash points")
        if stage == 1:
            continue
        # in the fourth the run has ended: then nothing needs code
        assert ("refused" in said) == (stage < 4 and order[stage - 2] != version), said
        if "refused" in said:
            assert f"Python {order[stage - 2]}" in said or f"Python {maker}" in said, said
            assert "run the cell" in said and "nbflow.run(dag, workflow_id='chain')" in said, said
        assert ("kept off" in said) == (version != maker), said
    assert "result ['1', '2', '2026-11-21']" in said
    done = effects.read_text().splitlines()
    figures.count("doubled", len(done) - len({*done}))
    assert sorted(done) == ["begin", "make", "step 1", "step 2"]

"""What a notebook pays for ``import nbflow``: nothing that a task may never need is loaded before it does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LATER = {
    *("nbflow.views.svg", "nbflow.views.snapshot", "nbflow.asking", "nbflow.looking", "nbflow.storage.folder"),
    *("nbflow.executors.process", "nbflow.engine.machines.queries"),
    *("nbflow.machine.definition", "nbflow.machine.payloads", "nbflow.machine.convert"),
}
"""What a run needs only when somebody looks at it, or answers it, or it is no plain graph in threads."""
ROOT = Path(__file__).resolve().parent.parent
NEVER = {
    *("pandas", "numpy", "ipywidgets", "anywidget", "traitlets", "tornado", "IPython", "graphviz", "loky", "ray"),
    *("distributed", "dask", "obstore", "pydantic", "apprise", "redis", "nest_asyncio2", "cronsim"),
    *("email", "zipfile", "http", "sqlite3", "multiprocessing", "unittest", "ctypes", "pydoc", "xml"),
    *("pathlib", "urllib", "ipaddress"),
}


def loaded(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after some code, but not before."""
    program = f"import json, sys; before = set(sys.modules)\n{code}\nprint(json.dumps([*{{*sys.modules}} - before]))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_the_import_alone_loads_next_to_nothing() -> None:
    found = loaded("import nbflow")
    assert not {"asyncio", "dataclasses", "logging", "subprocess", *NEVER} & found
    assert len([name for name in found if name.startswith("nbflow")]) < 10


@pytest.mark.parametrize("code", ["nf.task; nf.run", "nf.init; nf.Workflow; nf.Flow; nf.Run; nf.send"])
def test_who_writes_a_workflow_loads_what_runs_it_and_no_more(code: str) -> None:
    found = {name.partition(".")[0] for name in loaded(f"import nbflow as nf; {code}")}
    assert not NEVER & found, NEVER & found


def test_who_runs_a_graph_loads_no_pictures_and_no_machines() -> None:
    found = {name for name in loaded("import nbflow as nf; nf.task; nf.run") if name.startswith("nbflow")}
    assert not LATER & found, LATER & found
    assert len(found) <= 160, "each module takes half a millisecond: is the new one needed by every run?"


def test_a_first_run_in_a_folder_loads_nothing_that_takes_long_and_no_look_at_the_packages(tmp_path: Path) -> None:
    run = f"import nbflow as nf; nf.init(storage={str(tmp_path)!r}); assert nf.run(nf.task(abs).bind(-1)) == 1"
    found = loaded(f"{run}; nf.shutdown()")
    assert not (LATER - {"nbflow.storage.folder"} | NEVER | {"importlib.metadata"}) & found

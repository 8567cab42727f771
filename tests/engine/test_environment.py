"""A run knows where it was, and says what differs elsewhere before it matters."""

from __future__ import annotations

import logging
import subprocess
import sys
import types
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine import beginning
from nbflow.engine.environment import difference, environment
from nbflow.engine.host import Host
from nbflow.errors import WorkflowExecutionError, WorkflowNotResumableError
from nbflow.storage import pickling, values

HERE = {"python": "3.11.9", "implementation": "CPython", "system": "Linux", "machine": "x86_64", "nbflow": "0.1.0"}


def at(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let nbflow believe that it is somewhere else."""
    monkeypatch.setattr(beginning, "environment", lambda: {**HERE, "packages": {}, **changes})


def notices(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if getattr(record, "action", "") == "notice"]
    caplog.clear()
    return found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"python": "3.11.2"}, ""),
        ({"python": "3.12.0"}, "Python 3.11 -> 3.12"),
        ({"nbflow": "0.2.0"}, "nbflow 0.1.0 -> 0.2.0"),
        ({"system": "Darwin", "machine": "arm64"}, "system Linux -> Darwin, machine x86_64 -> arm64"),
        ({"packages": {"pandas": "2.2.0", "torch": "2"}}, "pandas 2.1.4 -> 2.2.0"),
    ],
)
def test_what_could_matter_is_told_and_nothing_else(changes: dict[str, Any], said: str) -> None:
    before = {**HERE, "packages": {"pandas": "2.1.4"}}
    assert difference(before, {**before, **changes}) == said


def test_a_package_that_is_not_imported_yet_is_looked_up() -> None:
    found = difference({"packages": {"pytest": pytest.__version__, "nbflow-none": "1"}}, {})
    assert found == "nbflow-none 1 -> not installed"


def test_the_packages_of_the_notebook_are_recorded_and_nothing_of_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("boosting")
    module.__version__ = "3.2"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "boosting", module)
    monkeypatch.setattr(sys.modules["__main__"], "xgb", module, raising=False)
    found = environment()
    assert found["packages"]["boosting"] == "3.2"
    assert set(found) == {"python", "implementation", "system", "machine", "nbflow", "packages"}


def test_names_of_a_notebook_that_refuse_every_question_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sullen:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __call__(self) -> None: ...

    monkeypatch.setattr(sys.modules["__main__"], "sullen", Sullen(), raising=False)
    assert environment()["python"]


def test_a_run_that_goes_on_elsewhere_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="nbflow")
    bad = nf.task(lambda: 1 / 0, name="half").bind()
    at(monkeypatch, packages={"pandas": "2.1.4"})
    with pytest.raises(WorkflowExecutionError):
        nf.run(bad, workflow_id="w")
    assert notices(caplog) == []
    at(monkeypatch, python="3.12.1", packages={"pandas": "2.2.0"})
    for call in (lambda: nf.resume("w"), lambda: nf.run(bad, workflow_id="w")):
        with pytest.raises(WorkflowExecutionError):
            call()
    (said,) = notices(caplog)
    assert "w: This run goes on in another environment: Python 3.11 -> 3.12, pandas 2.1.4 -> 2.2.0." in said
    assert nf.get_metadata("w")["environment"]["python"] == "3.12.1"


def test_code_of_another_python_is_refused_before_it_is_loaded_and_the_cell_is_the_way_on(
    monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    def made_elsewhere(*args: Any) -> Any:
        return {**original(*args), "py": "3.9"}

    original = values.encode_pickled
    scale = 2
    task = nf.task(lambda x: x * scale, name="double")
    wait = nf.wait_for_event("go")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(values, "encode_pickled", made_elsewhere)
        run = nf.run_async(task.bind(wait), workflow_id="w")
        run.detach()
    load = pickling.load
    monkeypatch.setattr(pickling, "load", lambda head, *rest: pickling.carries_code(head) or load(head, *rest))
    with pytest.raises(WorkflowNotResumableError, match=r"Python 3.9.*nbflow.run\(dag, workflow_id='w'\)"):
        nf.resume_async("w")
    monkeypatch.undo()
    nf.send("w", "go", 4)
    assert nf.run(task.bind(wait), workflow_id="w") == 8


def test_importing_nbflow_alone_needs_no_look_at_the_packages() -> None:
    code = "import sys, nbflow; print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

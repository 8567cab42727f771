"""``ray.init`` and ``workflow.init``: storage first, limits later, and what has no meaning here is told."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbflow as nf
from nbflow import home, ray_compat
from nbflow.ray_compat import ray, workflow
from tests.engine.tools import ROOT


@pytest.fixture(autouse=True)
def nothing_begun(forgotten: None) -> None:
    ray.shutdown()


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    found = logging.getLogger("nbflow")
    yield found
    found.setLevel(logging.NOTSET)
    found.handlers.clear()


def test_storage_first_and_limits_later(tmp_path: Path) -> None:
    assert not ray.is_initialized()
    ray.init(storage=f"file://{tmp_path}/here")
    assert ray.is_initialized()
    workflow.init(max_running_workflows=2, max_pending_workflows=5)
    workflow.init()
    limits = home.default_host().limits
    assert (limits.running, limits.pending) == (2, 5)
    assert workflow.run(ray.remote(max).bind(1, 2)) == 2
    assert (tmp_path / "here").is_dir()
    with pytest.raises(ValueError, match="max_running_workflows"):
        workflow.init(max_running_workflows=3)


def test_the_same_again_does_nothing_and_another_storage_is_refused(tmp_path: Path) -> None:
    ray.init(storage=str(tmp_path / "one"))
    ray.init(storage=str(tmp_path / "one"))
    with pytest.raises(ValueError, match=r"ray.shutdown\(\)"):
        ray.init(storage=str(tmp_path / "two"))
    ray.init(storage=str(tmp_path / "two"), ignore_reinit_error=True)
    workflow.run(ray.remote(max).bind(1, 2))
    assert not (tmp_path / "two").exists()
    ray.shutdown()
    assert not ray.is_initialized()
    ray.init(storage=str(tmp_path / "two"))
    assert workflow.list_all() == []


def test_a_choice_that_comes_too_late_is_refused_where_it_is_made(tmp_path: Path) -> None:
    nf.init(storage=str(tmp_path / "one"))
    with pytest.raises(ValueError, match="storage"):
        ray.init(storage=str(tmp_path / "two"))


def test_without_ray_init_nbflows_own_choice_counts(tmp_path: Path) -> None:
    nf.init(storage=str(tmp_path / "one"))
    assert ray.is_initialized()
    workflow.run(ray.remote(max).bind(1, 2), workflow_id="w")
    assert nf.list_all() == workflow.list_all() == [("w", "SUCCESSFUL")]


def test_what_has_no_meaning_here_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ray.init("auto", storage=str(tmp_path), num_cpus=4, namespace="x", runtime_env=None)
    told = capsys.readouterr().err
    assert "address, namespace, num_cpus" in told
    assert "runtime_env" not in told


def test_with_a_level_the_steps_of_the_tasks_are_said_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], log: logging.Logger
) -> None:
    for _ in range(2):
        ray.init(storage=str(tmp_path), logging_level="INFO")
    workflow.run(ray.remote(max).bind(1, 2), workflow_id="w")
    said = capsys.readouterr().err
    assert said.count('Workflow job created. [id="w"]') == 1
    assert said.count("Task status [SUCCESSFUL]\t[w@max]") == 1


def test_every_task_may_have_a_process(tmp_path: Path) -> None:
    ray.init(storage=str(tmp_path), executor="process")
    pid = workflow.run(ray.remote(lambda: os.getpid()).bind())
    assert pid != os.getpid()


@pytest.mark.crash
def test_the_command_of_the_docstring_moves_a_program(tmp_path: Path) -> None:
    program = """
    import ray
    from ray import workflow
    from ray.dag import InputNode
    from ray.exceptions import RayTaskError
    from ray.workflow.common import WorkflowStatus
    from ray.workflow.event_listener import EventListener, TimerListener
    from ray.workflow.exceptions import WorkflowNotFoundError
    from ray.workflow.http_event_provider import HTTPListener

    @ray.remote
    def double(x):
        return 2 * x

    with InputNode() as given:
        print(workflow.run(double.bind(given[0]), 21, workflow_id="w"), ray.workflow.get_status("w"))
    """
    (tmp_path / "moved.py").write_text(textwrap.dedent(program))
    (command,) = [line.strip() for line in (ray_compat.__doc__ or "").splitlines() if line.strip().startswith("sed")]
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "NBFLOW_STORAGE": str(tmp_path / "storage")}
    moved = [sys.executable, "moved.py"]
    answer = subprocess.run(moved, cwd=tmp_path, env=settings, capture_output=True, text=True)
    assert answer.stdout.strip() == "42 SUCCESSFUL", answer.stderr

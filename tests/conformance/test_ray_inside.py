"""Ray Workflows, rows C063, C121, C155 and C156: its insides, as far as a user of nbflow would notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import WorkflowExecutionError
from nbflow.ray_compat import ray, workflow
from tests.engine.tools import Counter


def test_C063_a_recursion_that_fails_goes_on_at_the_link_that_failed(tmp_path: Path, folder: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def link(n: int) -> Any:
        if n == 4 and calls.add(f"link{n}") == 1:
            raise ValueError("the fourth")
        calls.add(f"link{n}")
        return nf.continuation(link.bind(n + 1)) if n < 6 else n

    with pytest.raises(WorkflowExecutionError):
        nf.run(link.bind(1), workflow_id="w")
    tasks = nf.get_progress("w")["tasks"]
    assert [tasks[name]["status"] for name in ("link", "link_1", "link_2", "link_3")] == ["grown"] * 3 + ["failed"]
    nf.shutdown()
    nf.init(storage=str(folder))
    assert nf.resume("w") == 6
    assert [calls.count(f"link{n}") for n in (1, 2, 3, 5, 6)] == [1] * 5


def test_C121_after_many_changes_of_status_the_list_has_the_last_one(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def at_last() -> int:
        if calls.add() < 34:
            raise ValueError("not yet")
        return 5

    with pytest.raises(WorkflowExecutionError):
        nf.run(at_last.bind(), workflow_id="w")
    for _ in range(32):
        assert nf.list_all() == [("w", "FAILED")]
        with pytest.raises(WorkflowExecutionError):
            nf.resume("w")
    assert nf.resume("w") == 5
    assert nf.list_all() == [("w", "SUCCESSFUL")]


def test_C155_there_is_no_cluster_to_connect_to_and_storage_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ray.shutdown()
    ray.init(address="auto", storage=str(tmp_path / "here"))
    assert "address" in capsys.readouterr().err
    workflow.run(ray.remote(max).bind(1, 2))
    assert (tmp_path / "here").is_dir()
    ray.shutdown()


def test_C156_a_storage_that_is_none_is_refused_by_name() -> None:
    nf.shutdown()
    with pytest.raises(ValueError, match="nonsense://there"):
        nf.init(storage="nonsense://there")

"""Ray Workflows, rows C199 and C200: what the log says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from tests.engine.tools import finish, script


def test_C199_C200_every_task_is_logged_also_those_that_a_run_has_grown(caplog: pytest.LogCaptureFixture) -> None:
    @nf.task
    def grow(n: int) -> Any:
        return nf.continuation(leaf.bind(grow.bind(n - 1))) if n else 0

    @nf.task
    def leaf(x: int) -> int:
        return x + 1

    caplog.set_level(logging.INFO, "nbflow")
    assert nf.run(grow.bind(2), workflow_id="wid") == 2
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == 'Workflow job created. [id="wid"]'
    for name in ("grow", "grow_1", "grow_2", "leaf", "leaf_1"):
        assert lines.count(f"Task status [RUNNING]\t[wid@{name}]") == 1
        assert lines.count(f"Task status [SUCCESSFUL]\t[wid@{name}]") == 1


@pytest.mark.crash
def test_C200_the_program_that_submits_shows_the_lines(tmp_path: Path) -> None:
    out = finish(script(
        """
        import sys
        from nbflow.ray_compat import ray, workflow
        ray.init(storage=sys.argv[1], logging_level="INFO")
        @ray.remote(executor="process")
        def f(): return 1
        workflow.run(f.bind(), workflow_id="wid")
        """, tmp_path,
    ))  # fmt: skip
    order = ['Workflow job created. [id="wid"', "Task status [RUNNING]\t[wid@f", "Task status [SUCCESSFUL]\t[wid@f"]
    assert sorted(order, key=out.index) == order

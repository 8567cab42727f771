"""Code that another Python has stored is refused when a run is resumed, and not only when it is due."""

from __future__ import annotations

import pytest

import nbflow as nf
from nbflow.errors import WorkflowNotResumableError
from nbflow.storage import values
from tests.engine.tools import until


def test_a_run_that_needs_code_of_another_python_is_refused_at_once_and_goes_on_with_the_code_given(
    host: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag = nf.task(lambda event: event + 1, name="add").bind(nf.wait_for_event("go"))
    run = nf.run_async(dag, workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    made = values.PYTHON
    run.detach()
    monkeypatch.setattr(values, "PYTHON", "3.99")
    with pytest.raises(
        WorkflowNotResumableError, match=rf"'add'.*Python {made}.*Python 3.99.*run the cell.*nbflow.run"
    ):
        nf.resume_async("w")
    run = nf.run_async(dag, workflow_id="w")
    run.send("go", 1)
    assert run.result(20) == 2
    monkeypatch.setattr(values, "PYTHON", "3.98")
    assert nf.resume("w") == 2

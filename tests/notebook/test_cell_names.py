"""In a real kernel the recorded error of a task says in which cell it arose, whatever ran the task."""

from __future__ import annotations

import pytest
from kernels import OWN_LINE, Kernel

BEGIN = """\
import nbflow as nf
nf.shutdown()
nf.init(storage="memory://")
"""
BOOM = """\
@nf.task(max_retries=0{options})
def boom():
    raise ValueError("wrong")
"""
FAIL = """\
try:
    nf.run(boom.bind(), workflow_id={name!r})
except nf.errors.WorkflowExecutionError:
    print(nf.get_run({name!r}).state.nodes[0].error["traceback"])
"""


@pytest.mark.parametrize("kernel", [pytest.param(OWN_LINE, marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("options", ["", ', executor="process"'], ids=["thread", "process"])
def test_a_recorded_error_names_its_cell(kernel: Kernel, options: str) -> None:
    kernel.run(BEGIN)
    number = kernel.reply(kernel.send(BOOM.format(options=options)))["execution_count"]
    told = kernel.run(FAIL.format(name=f"fails{len(options)}"))
    assert f"Cell In[{number}], line 3, in boom" in told
    assert "ipykernel_" not in told

"""The copy of a run under its live view, which a notebook's file keeps, follows the run; only pages have one."""

from __future__ import annotations

from typing import Any

from kernels import Kernel

BEGIN = """
import threading
import nbflow as nf
nf.init(storage="memory://")
gate = threading.Event()
work = nf.task(lambda: __import__("__main__").gate.wait(10), name="work")
run = nf.run_async(work.bind(), workflow_id="copied")
run
"""


def send_as_a_page(kernel: Kernel, code: str) -> str:
    """Queue a cell as JupyterLab does: with the name of the cell."""
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": True}
    message = kernel.client.session.msg("execute_request", content, metadata={"cellId": "c1"})
    kernel.client.shell_channel.send(message)
    return str(message["header"]["msg_id"])


def copies(kernel: Kernel, display: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what replaced a display, oldest first; ipykernel 6 may name another cell as parent, pages go by the id."""
    updates = [said["content"] for said in kernel.said if said["msg_type"] == "update_display_data"]
    return [content["data"] for content in updates if content["transient"] == display["transient"]]


def test_the_copy_follows_the_run_to_its_end_and_goes_when_it_is_frozen(kernel: Kernel) -> None:
    cell = send_as_a_page(kernel, BEGIN)
    assert kernel.reply(cell)["status"] == "ok"
    view, copy = kernel.answers(cell, "display_data")
    assert view["data"]["text/plain"] == "copied"
    assert "text/html" not in view["data"]
    assert "Running" in copy["data"]["text/html"]
    kernel.run("gate.set(); run.result()")
    kernel.until(lambda: any("Done" in data["text/html"] for data in copies(kernel, copy)), "the last copy")
    kernel.run("run.freeze()")
    assert "Done" in copies(kernel, view)[-1]["text/html"]
    assert copies(kernel, copy)[-1] == {"text/plain": ""}
    kernel.run("nf.shutdown()")


def test_a_client_that_keeps_no_file_gets_no_copy(kernel: Kernel) -> None:
    cell = kernel.send(BEGIN)
    assert kernel.reply(cell)["status"] == "ok"
    (view,) = kernel.answers(cell, "display_data")
    assert "Running" in view["data"]["text/html"]
    kernel.run("gate.set(); run.result(); nf.shutdown()")

"""Real Jupyter kernels of several ipykernel lines, driven by messages as a front end drives them.

Each line of ``LINES`` runs in a small virtual environment of its own, made on the first call and kept in the folder
``NBFLOW_KERNEL_VENVS`` (by default ``.venv/kernels`` of the checkout). The line of the running interpreter needs none:
it is the interpreter itself, and so the newest that the project's own requirements allow.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[2]
OWN_LINE = ".".join(version("ipykernel").split(".")[:2])
LINES = [*(line for line in ("6.30", "7.0", "7.3", "7.4") if line != OWN_LINE), OWN_LINE]
PACKAGES = ("ipywidgets>=8.1", "anywidget>=0.9.13", "cloudpickle>=3.0", "nest-asyncio2>=1.7.3")
PATIENCE = 20.0  # seconds that a test waits before it calls a message lost


def venv_python(line: str) -> Path:
    """Return the interpreter whose ipykernel is of this line; make its environment if it is not there yet."""
    if line == OWN_LINE:
        return Path(sys.executable)
    folder = Path(os.environ.get("NBFLOW_KERNEL_VENVS") or ROOT / ".venv" / "kernels") / line
    python = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")
    if not folder.exists():
        # Made under another name and renamed at the end: a folder with the right name is complete, and of two sessions
        # that make it at once one simply loses.
        draft = folder.with_name(f"{line}.draft-{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "--python", str(draft / python), "--disable-pip-version-check"]
        _call(sys.executable, "-m", "venv", "--without-pip", str(draft))
        _call(*pip, "install", "--quiet", f"ipykernel=={line}.*", *PACKAGES)
        try:
            draft.rename(folder)
        except OSError:
            shutil.rmtree(draft)
    return folder / python


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


class Kernel:
    """One running kernel, and all that it has said."""

    def __init__(self, line: str, folder: Path, **environ: str) -> None:
        self.line = line
        self.major = int(line.split(".")[0])
        spec = {"argv": [str(venv_python(line)), "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
        (folder / "specs" / "tested").mkdir(parents=True)
        spec |= {"display_name": "tested", "language": "python"}
        (folder / "specs" / "tested" / "kernel.json").write_text(json.dumps(spec))
        specs = KernelSpecManager(kernel_dirs=[str(folder / "specs")], ensure_native_kernel=False)
        self.manager = KernelManager(kernel_name="tested", kernel_spec_manager=specs)
        foreign = ("PYTEST_CURRENT_TEST", "JPY_PARENT_PID", "NBFLOW_FRONTEND")
        clean = {name: text for name, text in os.environ.items() if name not in foreign}
        paths = {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython")}
        self.manager.start_kernel(env=clean | paths | environ, cwd=str(folder))
        self._connect()

    def _connect(self) -> None:
        client = self.manager.client()
        assert isinstance(client, BlockingKernelClient)
        self.client = client
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.said: list[dict[str, Any]] = []  # everything on iopub, in order
        self.replies: dict[str, dict[str, Any]] = {}  # by the id of the request

    def restart(self) -> None:
        """Restart as a front end does, and begin a new record."""
        self.client.stop_channels()
        self.manager.restart_kernel(now=True)
        self._connect()

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    # -- asking -------------------------------------------------------------------------------------------------------

    def send(self, code: str, *, allow_stdin: bool = True, store_history: bool = True) -> str:
        """Queue a cell; return the id of its message."""
        return self.client.execute(code, allow_stdin=allow_stdin, store_history=store_history, stop_on_error=False)

    def run(self, code: str, *, allow_stdin: bool = True, store_history: bool = True) -> str:
        """Run a cell to its end, which must be a good one; return what it printed."""
        cell = self.send(code, allow_stdin=allow_stdin, store_history=store_history)
        reply = self.reply(cell)
        assert reply["status"] == "ok", "\n".join(reply["traceback"])
        return self.printed(cell).strip()

    def tell_comm(self, comm_id: str, content: dict[str, Any], subshell: str | None = None) -> str:
        """Send a message to a comm, over a subshell if one is named; return the id of the message."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": content})
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def click(self, comm_id: str, subshell: str | None = None) -> str:
        return self.tell_comm(comm_id, {"method": "custom", "content": {"event": "click"}}, subshell)

    def change(self, comm_id: str, **state: object) -> str:
        return self.tell_comm(comm_id, {"method": "update", "state": state, "buffer_paths": []})

    def subshell(self) -> str:
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        self.until(lambda: message["header"]["msg_id"] in self.replies, "a subshell")
        return str(self.replies[message["header"]["msg_id"]]["subshell_id"])

    # -- listening ----------------------------------------------------------------------------------------------------

    def until(self, reached: Callable[[], object], what: str) -> None:
        """Listen until ``reached``; fail with the whole record if that does not come."""
        channels = [self.client.iopub_channel, self.client.shell_channel, self.client.control_channel]
        poller = zmq.Poller()
        for channel in channels:
            poller.register(channel.socket, zmq.POLLIN)
        end = time.monotonic() + PATIENCE
        while not reached():
            left = end - time.monotonic()
            assert left > 0, f"waited in vain for {what}; heard:\n{self.story()}"
            ready = dict(poller.poll(1000 * left))
            for channel in channels:
                if channel.socket in ready:
                    self._note(channel.get_msg(timeout=1))

    def _note(self, message: dict[str, Any]) -> None:
        if message["msg_type"].endswith("_reply"):
            self.replies[message["parent_header"]["msg_id"]] = message["content"]
        else:
            self.said.append(message)

    def reply(self, cell: str) -> dict[str, Any]:
        """Wait for the end of a cell: its reply and its idle."""
        self.until(lambda: cell in self.replies and self.is_idle(cell), "the end of a cell")
        return self.replies[cell]

    def is_idle(self, message_id: str) -> bool:
        """Say if the idle of a message has come."""
        return "idle" in [content["execution_state"] for content in self.answers(message_id, "status")]

    def answers(self, message_id: str, kind: str) -> list[dict[str, Any]]:
        """Return the contents of one kind that name this message as their parent."""
        found = [message for message in self.said if message["parent_header"].get("msg_id") == message_id]
        return [message["content"] for message in found if message["msg_type"] == kind]

    def story(self) -> str:
        """Return the last messages in short, for an error."""
        parts = [(m["msg_type"], m["parent_header"].get("msg_type"), m["content"]) for m in self.said[-20:]]
        return "\n".join(f"{kind} for {parent}: {str(content)[:200]}" for kind, parent, content in parts)

    def printed(self, message_id: str) -> str:
        return "".join(content["text"] for content in self.answers(message_id, "stream"))

    def wait_printed(self, cell: str, text: str) -> None:
        """Wait until a cell, which may still be running, has printed the text."""
        self.until(lambda: text in self.printed(cell), f"{text!r} in a cell")

    def statuses(self, *message_ids: str) -> list[tuple[str, int]]:
        """Return the busy and idle of these messages in order, each with the position of its parent."""
        found = [message for message in self.said if message["msg_type"] == "status"]
        parents = [(message["content"]["execution_state"], message["parent_header"].get("msg_id")) for message in found]
        return [(state, message_ids.index(parent)) for state, parent in parents if parent in message_ids]


@pytest.fixture(
    scope="module", params=[pytest.param(line, marks=pytest.mark.slow, id=f"ipykernel-{line}") for line in LINES]
)
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A fresh kernel of each line, shared by the tests of one module."""
    running = Kernel(request.param, tmp_path_factory.mktemp("kernel"))
    assert running.run("import ipykernel; print(ipykernel.__version__)").startswith(f"{running.line}.")
    yield running
    running.stop()

"""A Jupyter server of its own for each front end: in a temporary folder, on a free port, gone at the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "only-for-these-tests"
START = 60  # seconds that a server may take until it answers
OPTIONS = {
    "jupyterlab": [
        "--ServerApp.root_dir={work}",
        "--IdentityProvider.token={token}",
    ],
    "notebook": ["--ServerApp.root_dir={work}", "--IdentityProvider.token={token}"],
    "jupyter_server": ["--ServerApp.root_dir={work}", "--IdentityProvider.token={token}"],
    "voila": ["{work}", "--show_tracebacks=True"],
}
QUIET = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}


class Server:
    """One running server; ``work`` is the folder that it shows, and where its kernels run."""

    def __init__(self, app: str, folder: Path) -> None:
        self.app = app
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        self._log = folder / "server.log"
        self._settings(folder / "config")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", app, "--no-browser", f"--port={self.port}"]
        if app != "voila":
            command += ["--ip=127.0.0.1", "--allow-root", "--ServerApp.port_retries=0"]
        command += [option.format(work=self.work, token=TOKEN) for option in OPTIONS[app]]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, cwd=self.work, env=_environment(folder), stdout=log, stderr=log, start_new_session=True
            )

    def _settings(self, folder: Path) -> None:
        (folder / "labconfig").mkdir(parents=True)
        (folder / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(QUIET))

    def wait(self) -> None:
        """Return when the server answers. Raises RuntimeError with what it said when it does not."""
        end = time.monotonic() + START
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.app} does not answer:\n{self._log.read_text()}")
            time.sleep(0.1)  # a server that starts sends no event

    def _answers(self) -> bool:
        try:
            self.ask("GET", "" if self.app == "voila" else "/api/status")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def ask(self, method: str, path: str) -> Any:
        """Ask the server's own interface; return its JSON, None when it says nothing or something else."""
        request = urllib.request.Request(self.url + path, method=method, headers={"Authorization": f"token {TOKEN}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith((b"{", b"[")) else None

    def stop_kernels(self) -> None:
        """Stop all kernels and their notebooks' sessions; those of Voila stop with it."""
        if self.app == "voila":
            return
        for session in self.ask("GET", "/api/sessions"):
            self.ask("DELETE", f"/api/sessions/{session['id']}")
        for kernel in self.ask("GET", "/api/kernels"):
            self.ask("DELETE", f"/api/kernels/{kernel['id']}")

    def stop(self) -> None:
        """Stop the server; its kernels end with it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing of a person's own Jupyter is seen or changed."""
    foreign = ("JUPYTER", "JPY_", "JUPYTERLAB", "NBFLOW_", "PYTEST_", "SERVER_SOFTWARE")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "share", "JUPYTER_RUNTIME_DIR": "runtime"}
    folders |= {"IPYTHONDIR": "ipython", "MPLCONFIGDIR": "matplotlib"}
    return clean | {name: str(folder / value) for name, value in folders.items()} | {"PYTHONPATH": str(ROOT)}


@contextmanager
def running(app: str, folder: Path) -> Iterator[Server]:
    """Give a server that answers; it is stopped whatever happens."""
    server = Server(app, folder)
    try:
        server.wait()
        yield server
    finally:
        server.stop()

"""The steps of Binder by hand, in a clean environment: ``python -m tests.packaging.binder``. Takes some minutes.

The files in ``binder/`` are read as repo2docker reads them: what ``requirements.txt`` asks for is installed into a new
environment beside a copy of the sources, ``postBuild`` runs in it, JupyterLab starts on 127.0.0.1 and serves the
tutorials, and the first two run in it. What ``apt.txt`` asks for has to be there already.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TUTORIALS = ("01-", "02-")
PATIENCE = 120.0
"""Seconds that JupyterLab has to answer."""


def main() -> int:
    """Do all steps; return 0 when each went well."""
    with tempfile.TemporaryDirectory(prefix="nbflow-binder-") as folder:
        place = Path(folder)
        step("the sources", sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", place, ROOT)
        (archive,) = place.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(place, filter="data")
        (repo,) = (each for each in place.iterdir() if each.is_dir())
        step("the environment", sys.executable, "-m", "venv", place / "env")
        bin_ = place / "env" / "bin"
        step("requirements.txt", bin_ / "pip", "install", "--quiet", "-r", "binder/requirements.txt", cwd=repo)
        path = {"PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
        step("postBuild", "./binder/postBuild", cwd=repo, **path)
        serve(bin_, repo, path)
        for tutorial in sorted(repo.glob("notebooks/0[12]-*.ipynb")):
            step(tutorial.name, bin_ / "python", "notebooks/_execute.py", tutorial, cwd=repo, **path)
    return 0


def step(name: str, *command: str | Path, cwd: Path | None = None, **environment: str) -> None:
    """Do one step, and say how long it took; end with what it said when it does not go well."""
    began = time.monotonic()
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**kept, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{done.stdout}\n{name} failed (see above).")
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


def serve(bin_: Path, repo: Path, path: dict[str, str]) -> None:
    """Start JupyterLab as Binder does, and look at the tutorials through it."""
    port, began = 8899, time.monotonic()
    options = ["--no-browser", "--ServerApp.ip=127.0.0.1", f"--port={port}", "--port-retries=0", "--allow-root"]
    lab = subprocess.Popen(
        [str(bin_ / "jupyter"), "lab", *options, "--IdentityProvider.token=binder"], cwd=repo,
        env={**os.environ, **path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        listed = ""
        while not all(f'"{name}' in listed for name in TUTORIALS):
            if time.monotonic() - began > PATIENCE or lab.poll() is not None:
                sys.exit("JupyterLab does not serve the tutorials.")
            time.sleep(0.5)
            listed = get(f"http://127.0.0.1:{port}/api/contents/notebooks?token=binder")
        if "jupyter-config-data" not in get(f"http://127.0.0.1:{port}/lab?token=binder"):
            sys.exit("JupyterLab shows no page.")
        print(f"JupyterLab: {time.monotonic() - began:.0f} s", flush=True)
    finally:
        lab.terminate()
        lab.wait()


def get(address: str) -> str:
    """Return what a server answers, '' when it does not yet."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())

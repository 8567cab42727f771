"""Run the first tutorial and open it: ``python3 notebooks [--run | --save | --docs] [arguments of jupyter lab]``.

Needs Python 3.11 and pip, nothing else. The tutorial's question to a person is answered for you, its final table is
printed, and the folder with its checkpoints is named. Then, where there is a terminal and a person, JupyterLab opens
on the tutorials; ``--run`` leaves that out. Called again, the tutorial's finished tasks come from their checkpoints.
``--save`` is for those who change tutorials: it runs each of them from nothing and writes the outputs into its file.
``--docs`` builds the documents, tutorials included, from what stands here and in the docstrings, and says where.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import _venv

HERE = Path(__file__).resolve().parent
FIRST = HERE / "01-quickstart.ipynb"
REFERENCE = HERE / "reference"
PAGES = REFERENCE / "build" / "html"


def main(arguments: list[str]) -> None:
    """Prepare ``.venv``, run the first tutorial in it and, for a person at a terminal, go on as JupyterLab."""
    if "--docs" in arguments:
        sys.exit(build_documents([word for word in arguments if word != "--docs"]))
    python = _venv.ready("lab")
    only_run = {"--run", "--save"}.intersection(arguments)
    saved = sorted(HERE.glob("[0-9]*.ipynb")) if "--save" in arguments else []
    calls = [[path, "--save"] for path in saved] or [[FIRST]]
    codes = [subprocess.call([python, HERE / "_execute.py", *call]) for call in calls]
    code = next(filter(None, codes), 0)
    if code or only_run or not somebody_is_there():
        sys.exit(code)
    _venv.say("\nOpening JupyterLab (Ctrl+C here ends it) ...")
    _venv.become([python, "-m", "jupyterlab", FIRST, *arguments])


def build_documents(arguments: list[str]) -> int:
    """Build the documents with Sphinx and ``arguments`` for it; a warning is an error. Return the exit code."""
    python = _venv.ready("docs")
    options = ["-W", "--keep-going", "-q", "-b", "html", "-c", REFERENCE, *arguments]
    code = subprocess.call([python, "-m", "sphinx", *options, HERE, PAGES])
    if code == 0:
        _venv.say(f"The documents are in {PAGES / 'reference' / 'index.html'}")
    return code


def somebody_is_there() -> bool:
    """Tell whether a person at a terminal can use what we open."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")


if __name__ == "__main__":
    main(sys.argv[1:])

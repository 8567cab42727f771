"""Run every test: ``python3 tests [--soak] [--figures] [--write-readme] [arguments of pytest]``.

Needs Python 3.11 and pip, nothing else: the tests run in the project's ``.venv``, which is made on the first call.
``--soak`` lets the tests that draw random histories run for long; without it they take seconds. ``--figures`` runs only
the suites of reliability and security, prints what they tried, and fails unless nothing was lost, doubled or leaked;
``--write-readme`` puts that table into the README.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT / "notebooks"), str(ROOT)]

import _venv  # noqa: E402  (found only now)

from tests import figures  # noqa: E402  (found only now)

OPTIONS = ("--soak", "--figures", "--write-readme")


def main(arguments: list[str]) -> None:
    """Prepare ``.venv`` and go on as pytest with ``arguments``."""
    wanted = {word for word in OPTIONS if word in arguments}
    arguments = [word for word in arguments if word not in OPTIONS]
    if "--soak" in wanted:
        os.environ["NBFLOW_SOAK"] = "1"
    if {"--figures", "--write-readme"} & wanted:
        os.environ["NBFLOW_FIGURES"] = "readme" if "--write-readme" in wanted else "print"
        arguments = [*figures.folders(), *arguments]
    python = _venv.ready("test")
    _venv.become([python, "-m", "pytest", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])

"""Run every test: ``python3 tests [--soak] [arguments of pytest]``.

Needs Python 3.11 and pip, nothing else: the tests run in the project's ``.venv``, which is made on the first call.
``--soak`` lets the tests that draw random histories run for long; without it they take seconds.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent / "notebooks")

import _venv  # noqa: E402  (found only now)


def main(arguments: list[str]) -> None:
    """Prepare ``.venv`` and go on as pytest with ``arguments``."""
    if "--soak" in arguments:
        arguments = [word for word in arguments if word != "--soak"]
        os.environ["NBFLOW_SOAK"] = "1"
    python = _venv.ready("test")
    _venv.become([python, "-m", "pytest", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])

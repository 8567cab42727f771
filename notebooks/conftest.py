"""For ``pytest --nbval``: tutorials start from nothing, in a folder of their own, and their questions are answered."""

from __future__ import annotations

import os
import tempfile

import _execute
import pytest

_storage = tempfile.TemporaryDirectory(prefix="nbflow-")


def pytest_configure(config: pytest.Config) -> None:
    """Set what the kernels will inherit."""
    os.environ["NBFLOW_STORAGE"] = _storage.name
    os.environ.setdefault("NBFLOW_ANSWERS", _execute.ANSWERS)

"""What a run records about where it ran. Nothing about the person: no user name, no address, no folder."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from typing import Any


@cache
def environment() -> dict[str, Any]:
    """Return the Python, the platform and the versions of what is imported now and carries data."""
    names = ("numpy", "pandas", "cloudpickle", "sklearn", "scipy", "pyarrow", "polars", "torch")
    versions = {name: getattr(sys.modules[name], "__version__", "?") for name in names if name in sys.modules}
    from .. import __version__

    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "nbflow": __version__,
        "packages": versions,
    }


def owner() -> dict[str, Any]:
    """Return what the journal says about who took the run."""
    return {"pid": os.getpid(), "python": f"{sys.version_info[0]}.{sys.version_info[1]}"}

"""What a run records about where it ran. Nothing about the person: no user name, no address, no folder."""

from __future__ import annotations

import os
import platform
import sys
from types import ModuleType
from typing import Any

_CARRY_DATA = ("cloudpickle", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "torch")
_SAME_WORDS = {"sklearn": "scikit-learn"}
MOST = 40
"""So many packages are recorded."""


def environment() -> dict[str, Any]:
    """Return the Python, the platform, and the versions of the packages that carry data or that the notebook uses.

    Only what is imported by now counts.

    >>> sorted(environment())
    ['implementation', 'machine', 'nbflow', 'packages', 'python', 'system']
    """
    from .. import __version__

    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "nbflow": __version__,
        "packages": _packages(),
    }


def owner() -> dict[str, Any]:
    """Return what the journal says about who took the run."""
    return {"pid": os.getpid(), "python": f"{sys.version_info[0]}.{sys.version_info[1]}"}


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Return in words what differs from where a run was; empty when nothing does that could matter.

    Python counts by its minor version. A package that was used and is not imported here yet is looked up.

    >>> difference({"python": "3.11.9", "packages": {"nbflow-none": "1.0"}}, {"python": "3.12.1", "packages": {}})
    'Python 3.11 -> 3.12, nbflow-none 1.0 -> not installed'
    """
    pairs = [("Python", _minor(before.get("python", "")), _minor(now.get("python", "")))]
    pairs += [(name, before.get(name, ""), now.get(name, "")) for name in ("implementation", "system", "machine")]
    pairs.append(("nbflow", before.get("nbflow", ""), now.get("nbflow", "")))
    here = now.get("packages", {})
    for name, version in before.get("packages", {}).items():
        pairs.append((name, version, here.get(name) or _installed(name)))
    return ", ".join(f"{name} {old} -> {new}" for name, old, new in pairs if old and new and old != new)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _packages() -> dict[str, str]:
    """Return the versions of imported packages: those that usually carry data, and those of the notebook's names."""
    names = {name for name in _CARRY_DATA if name in sys.modules}
    for value in [*vars(sys.modules["__main__"]).values()]:
        home = value.__name__ if isinstance(value, ModuleType) else getattr(type(value), "__module__", "")
        if isinstance(value, type) or callable(value):
            home = getattr(value, "__module__", "")
        root = home.partition(".")[0] if isinstance(home, str) else ""
        if root and root not in sys.stdlib_module_names and root not in ("__main__", "nbflow", "IPython", "builtins"):
            names.add(root)
    found = {name: version for name in sorted(names) if (version := _version(name))}
    return dict([*found.items()][:MOST])


def _version(name: str) -> str:
    version = getattr(sys.modules.get(name), "__version__", "")
    return version if isinstance(version, str) else ""


def _installed(name: str) -> str:
    from importlib import metadata  # lazily: it brings the e-mail and zip parts of the library with it

    try:
        return metadata.version(_SAME_WORDS.get(name, name))
    except Exception:
        return _version(name) or "not installed"

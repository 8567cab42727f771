"""Say what nbflow depends on: versions, licences, and known faults where a service can be asked.

``python3 -m tests.security.audit`` prints the table, then asks ``pip-audit`` when it is installed. What could not be
asked is said; the exit code is 1 only when a fault is known.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
OUR_OWN = {"lab", "docs", "test"}
"""Extras for tutorials, documents and tests: nobody who uses nbflow needs them."""
LICENCES = {"BSD": ("bsd",), "MIT": ("mit",), "Apache": ("apache",)}
_NAME = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?(?:>=([0-9.]+))?")
_ROW = re.compile(r"^\| ([a-z0-9-]+) \| ([0-9.]+) \| (\w+) \|", re.MULTILINE)


class Row(NamedTuple):
    """A line of the table in SECURITY.md."""

    least: str
    licence: str


def table() -> dict[str, Row]:
    """Return what SECURITY.md says."""
    return {name: Row(least, kind) for name, least, kind in _ROW.findall((ROOT / "SECURITY.md").read_text("utf-8"))}


def declared() -> dict[str, str]:
    """Return the direct dependencies of the package and its extras, each with its least version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = (lines for name, lines in project["optional-dependencies"].items() if name not in OUR_OWN)
    found = (_NAME.match(line) for lines in (project["dependencies"], *extras) for line in lines)
    return {match[1].lower(): match[2] or "" for match in found if match and match[1] != "nbflow"}


def licence(name: str) -> str:
    """Return all that the metadata of an installed package says of its licence."""
    about = metadata(name)
    said = [about.get("License-Expression"), about.get("License"), *(about.get_all("Classifier") or [])]
    return " ".join(line for line in said if line and (line == said[0] or line == said[1] or "License" in line)).lower()


def as_numbers(text: str) -> tuple[int, ...]:
    """Return a version as numbers, for a comparison."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def known_faults(names: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return the faults that pip-audit knows of installed versions, and the packages that could not be asked about."""
    listed = "".join(f"{name}=={number}\n" for name, number in names.items())
    command = [sys.executable, "-m", "pip_audit", "-r", "/dev/stdin", "--no-deps", "--disable-pip", "-f", "json"]
    try:
        done = subprocess.run(command, input=listed, capture_output=True, text=True, timeout=300)
        said: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError, OSError):
        return [], [*names]
    faults = [f"{each['name']} {each['version']}: {fault['id']}" for each in said for fault in each.get("vulns", ())]
    return faults, [each["name"] for each in said if "skip_reason" in each]


def main() -> int:
    """Print the audit and return the exit code."""
    installed: dict[str, str] = {}
    for name, row in table().items():
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            print(f"{name:20} not installed here (from {row.least}, {row.licence})")
            continue
        print(f"{name:20} {installed[name]:12} from {row.least:8} {row.licence}")
    faults, unasked = known_faults(installed)
    asked = len(installed) - len(unasked)
    print("\n".join(faults) or f"No fault is known of the {asked} packages that were asked about.")
    if unasked:
        print(f"Not asked, since pip-audit or its service is not there: {', '.join(unasked)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

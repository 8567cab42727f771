"""Draws the transition tables as Mermaid state diagrams: ``python tests/core/diagram.py``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from nbflow.core.records import Record
from nbflow.core.table import RUN_TRANSITIONS, TRANSITIONS


def diagram(table: Mapping[Any, StrEnum | None]) -> str:
    """Return a table as a Mermaid diagram; what is ignored in a state stands in a note beside it."""
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    ignored: dict[str, list[str]] = defaultdict(list)
    for (status, record_type), target in table.items():
        source = "[*]" if status is None else status.value
        if target is None:
            ignored[source].append(_name(record_type))
        else:
            arrows[source, target.value].append(_name(record_type))
    lines = ["stateDiagram-v2"]
    lines += [f"    {source} --> {target}: {', '.join(names)}" for (source, target), names in arrows.items()]
    lines += [f"    note right of {source}: ignores {', '.join(names)}" for source, names in ignored.items()]
    return "\n".join(lines) + "\n"


def _name(record_type: type[Record]) -> str:
    return record_type.__name__


if __name__ == "__main__":
    print(diagram(RUN_TRANSITIONS))
    print(diagram(TRANSITIONS))

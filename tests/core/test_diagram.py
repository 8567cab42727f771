"""The diagrams show every pair of the tables, and no other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from nbflow.core.table import RUN_TRANSITIONS, TRANSITIONS

from .diagram import diagram


@pytest.mark.parametrize("table", [TRANSITIONS, RUN_TRANSITIONS], ids=["nodes", "runs"])
def test_the_diagram_shows_every_pair_and_no_other(table: Mapping[Any, Any]) -> None:
    shown = set()
    for line in diagram(table).splitlines()[1:]:
        arrow = re.fullmatch(r"    (\S+) --> (\S+): (.+)", line)
        note = re.fullmatch(r"    note right of (\S+): ignores (.+)", line)
        assert arrow or note, line
        if arrow:
            shown |= {(arrow[1], name, arrow[2]) for name in arrow[3].split(", ")}
        elif note:
            shown |= {(note[1], name, None) for name in note[2].split(", ")}
    wanted = {
        ("[*]" if status is None else status.value, record.__name__, target and target.value)
        for (status, record), target in table.items()
    }
    assert shown == wanted

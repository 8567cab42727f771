"""A traceback names the cell that failed, where there are cells, and is left alone elsewhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from nbflow.engine import cells

TEXT = 'Traceback:\n  File "/tmp/ipykernel_7/12.py", line 3, in boom\n  File "/usr/lib/json.py", line 9, in loads\n'


def shell(name_of: Any) -> SimpleNamespace:
    compiler = SimpleNamespace() if name_of is None else SimpleNamespace(format_code_name=name_of)
    return SimpleNamespace(get_ipython=lambda: SimpleNamespace(compile=compiler))


def test_a_line_of_a_cell_has_the_name_of_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules, "IPython", shell(lambda name: ("Cell", "In[7]") if "ipykernel" in name else None)
    )  # fmt: skip
    assert cells.named(TEXT).splitlines()[1:] == [
        "  Cell In[7], line 3, in boom",
        '  File "/usr/lib/json.py", line 9, in loads',
    ]


@pytest.mark.parametrize("without", [None, SimpleNamespace(), SimpleNamespace(get_ipython=lambda: None), shell(None)])
def test_where_there_are_no_cells_nothing_is_changed(without: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", without)
    assert cells.named(TEXT) == TEXT


def test_a_name_that_ipython_chokes_on_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def choke(name: str) -> Any:
        raise KeyError(name)

    monkeypatch.setitem(sys.modules, "IPython", shell(choke))
    assert cells.named(TEXT) == TEXT

"""Which cell of a notebook a line of code is in, for tracebacks that a person reads."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

_PLACE = re.compile(r'File "([^"\n]+)", line (\d+)')


def named(traceback: str) -> str:
    """Return a traceback that says ``Cell In[7], line 3`` where it names the file that a kernel makes of a cell.

    That file is gone with the kernel, and nobody has ever seen it. Outside IPython nothing is changed.
    """
    name_of = _names()
    if name_of is None:
        return traceback

    def place(found: re.Match[str]) -> str:
        try:
            cell = name_of(found[1])
        except Exception:  # what IPython makes of a strange name must not cost a failure its traceback
            cell = None
        return f"{' '.join(cell)}, line {found[2]}" if cell else found[0]

    return _PLACE.sub(place, traceback)


def _names() -> Callable[[str], tuple[str, str] | None] | None:
    """Return what tells the name of the cell of a file, None where there are no cells."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None
    return getattr(getattr(shell, "compile", None), "format_code_name", None)

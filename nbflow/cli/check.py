"""Looking at what nbflow itself needs here: ``nbflow doctor``."""

from __future__ import annotations

import argparse

from ..checkup.doctor import doctor as look
from ..checkup.finding import BAD, GOOD, MARKS, NOTE, WARN
from .exits import Exit
from .terminal import Printer

_LOOKS = {GOOD: "s", NOTE: "", WARN: "w", BAD: "f"}


def doctor(args: argparse.Namespace, out: Printer) -> Exit:
    """Print what works here and what not; the exit code says whether something does not."""
    found = look(args.storage)
    if out.as_json:
        out.json(found.to_json())
    elif not out.fancy:
        for each in found.findings:
            out.line("\t".join((each.verdict, each.area, each.name, each.said, each.remedy)))
    else:
        verdicts = {f"  {mark} ": verdict for verdict, mark in MARKS.items()}
        for line in repr(found).splitlines():
            out.line(out.state(_LOOKS[verdicts[line[:4]]], line[:4]) + line[4:] if line[:4] in verdicts else line)
    return Exit.OK if found.ok else Exit.ERROR

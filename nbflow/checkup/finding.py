"""What the doctor found out about one thing, and all that it found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

GOOD, NOTE, WARN, BAD = "good", "note", "warn", "bad"
MARKS = {GOOD: "✓", NOTE: "·", WARN: "!", BAD: "✕"}
"""How good a thing is: it works, it is not there and need not be, it works badly, it does not work."""
_COLOURS = {GOOD: "#1d9a74", NOTE: "#8e95a1", WARN: "#d99a00", BAD: "#d0551b"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: ``area`` and ``name`` say which, ``verdict`` how it is, ``remedy`` what to type next."""

    area: str
    name: str
    verdict: str
    said: str
    remedy: str = ""


class Checkup:
    """All findings, shown as a table. ``ok`` is False when something does not work that nbflow needs."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = list(findings)

    @property
    def ok(self) -> bool:
        """True when nothing is bad; what could be better does not count."""
        return all(finding.verdict != BAD for finding in self.findings)

    @property
    def summary(self) -> str:
        """All in one line."""
        bad, warn = (sum(each.verdict == verdict for each in self.findings) for verdict in (BAD, WARN))
        if not bad and not warn:
            return "All is well."
        said = [f"{bad} {'thing does' if bad == 1 else 'things do'} not work"] if bad else []
        return " and ".join([*said, *([f"{warn} could be better"] if warn else [])]).capitalize() + "."

    def to_json(self) -> dict[str, Any]:
        """Return all as a JSON document."""
        return {"ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}

    def __repr__(self) -> str:
        wide = max((len(each.name) for each in self.findings), default=0)
        lines, area = [], ""
        for each in self.findings:
            if each.area != area:
                lines.append(each.area if not area else f"\n{each.area}")
                area = each.area
            lines.append(f"  {MARKS[each.verdict]} {each.name:<{wide}}  {each.said}")
            if each.remedy:
                lines.append(f"    {'':<{wide}}  -> {each.remedy}")
        return "\n".join([*lines, "", self.summary])

    def _repr_html_(self) -> str:
        rows = []
        for each in self.findings:
            remedy = f"<br><code>{escape(each.remedy)}</code>" if each.remedy else ""
            mark = f'<td style="color:{_COLOURS[each.verdict]};font-weight:700">{MARKS[each.verdict]}</td>'
            cells = "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in (each.area, each.name))
            rows.append(f'<tr>{mark}{cells}<td style="text-align:left">{escape(each.said)}{remedy}</td></tr>')
        return f"<table>{''.join(rows)}</table><p>{escape(self.summary)}</p>"

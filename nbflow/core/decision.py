"""What a person decided: the chosen option, and all that belongs to it."""

from __future__ import annotations

from typing import Any


class Decision(str):
    """The chosen option as a string, with ``values`` (the form's fields), ``comment``, ``by``, ``at`` and ``source``.

    >>> decision = Decision("approve", values={"share": 10}, by="ana")
    >>> decision == "approve", decision["share"], decision.by
    (True, 10, 'ana')
    """

    __slots__ = ("at", "by", "comment", "source", "values")

    values: dict[str, Any]
    comment: str
    by: str
    at: float
    source: str

    def __new__(
        cls, option: str = "", values: dict[str, Any] | None = None, comment: str = "", by: str = "",
        at: float = 0.0, source: str = "",
    ) -> Decision:  # fmt: skip
        decision = super().__new__(cls, option)
        decision.values, decision.comment = dict(values or {}), comment
        decision.by, decision.at, decision.source = by, at, source
        return decision

    @property
    def option(self) -> str:
        """The chosen option."""
        return str.__str__(self)

    def __getitem__(self, name: Any) -> Any:
        """Return a field of the form by its name; with a number or a slice, a part of the option."""
        return self.values[name] if isinstance(name, str) else str.__getitem__(self, name)

    def __reduce__(self) -> Any:
        return (Decision, (self.option, self.values, self.comment, self.by, self.at, self.source))

    def to_json(self) -> dict[str, Any]:
        """Return the decision as the journal keeps it."""
        return {
            "option": self.option, "values": self.values, "comment": self.comment,
            "by": self.by, "at": self.at, "source": self.source,
        }  # fmt: skip

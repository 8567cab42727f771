"""The values of secrets that were looked up in this process: masked in all text, refused in all that is stored.

Known is what ``Secret.get`` has returned here; it is kept in memory only, and never told to another process. A value
of fewer than 8 characters is not looked for: it would be found everywhere.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ..errors import CheckpointError

MASK = "********"
SHORTEST = 8
"""Characters from which on a value, or a line of one with several, is looked for."""

known: Known | None = None
"""What is looked for; None for who uses no secrets."""


class Known(NamedTuple):
    """The forms of all known values with the names of their secrets, and what finds them in text and in bytes."""

    names: dict[str, str]
    text: re.Pattern[str]
    raw: re.Pattern[bytes]


def learn(name: str, value: str) -> None:
    """Look for a value from now on, as it is and as Python and JSON write it. Idempotent."""
    global known
    names = dict(known.names) if known is not None else {}
    before = len(names)
    for line in {value, *value.splitlines()}:
        for form in (line, repr(line)[1:-1], json.dumps(line)[1:-1]):
            if len(form) >= SHORTEST:
                names.setdefault(form, name)
    if len(names) > before:
        either = "|".join(re.escape(form) for form in sorted(names, key=len, reverse=True))
        known = Known(names, re.compile(either), re.compile(either.encode("utf-8", "surrogatepass")))


def is_secret(value: object) -> bool:
    """Tell whether a value is a ``Secret``, which lives above this room."""
    return type(value).__module__ == "nbflow.secret"


def mask(text: str) -> str:
    """Return a text with asterisks in the place of every known value.

    >>> mask("nothing is known here")
    'nothing is known here'
    """
    return text if known is None else known.text.sub(MASK, text)


def mask_all(document: Any) -> Any:
    """Return a JSON document with all its texts masked; the same one when nothing is known."""
    if known is None:
        return document
    if isinstance(document, str):
        return mask(document)
    if isinstance(document, dict):
        return {mask_all(key): mask_all(value) for key, value in document.items()}
    return [mask_all(part) for part in document] if isinstance(document, list) else document


def mask_error(error: BaseException | None) -> None:
    """Mask the texts of an exception in place, and those of the exceptions behind it and in it."""
    seen: set[int] = set()
    left = [error]
    while known is not None and left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        _mask_texts(each)
        left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def refuse(where: str, *contents: str | bytes | bytearray | memoryview) -> None:
    """Raise CheckpointError when what is about to be stored holds a known value.

    >>> refuse("The result", "nothing is known here")
    """
    if known is None:
        return
    for content in contents:
        found: re.Match[str] | re.Match[bytes] | None
        found = known.text.search(content) if isinstance(content, str) else known.raw.search(content)
        if found is not None:
            form = found[0] if isinstance(found[0], str) else found[0].decode("utf-8", "surrogatepass")
            name = known.names[form]
            raise CheckpointError(
                f"{where} holds the value of Secret({name!r}), which is never stored. Give Secret({name!r}) itself on, "
                "and call its get() inside the task that needs the value."
            )


def _mask_texts(error: BaseException) -> None:
    try:
        error.args = tuple(mask_all(part) for part in error.args)
        for name, value in list(vars(error).items()):
            if isinstance(value, (str, dict, list)):
                setattr(error, name, mask_all(value))
    except Exception:
        pass  # an exception that does not let itself be changed; what is kept of it as text is masked all the same

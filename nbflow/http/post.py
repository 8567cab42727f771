"""The body of a request: JSON of a bounded size, and nothing that Python alone would take for JSON."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any, NoReturn

from ..core.graph import Json
from .replies import Refused, Reply, refusal

LARGEST = 1 << 20
"""Bytes that a body may have."""
LONGEST = 1000
"""Characters that a key or an id may have."""
EXAMPLE = '{"event_key": "approve", "event_payload": {"by": "ana"}}'


@dataclass(frozen=True, slots=True)
class Post:
    """An event that a client sends. ``event_id`` makes it count once however often it is sent."""

    event_key: str
    event_payload: Any
    event_id: str


def check_type(content_type: str, encoding: str) -> None:
    """Refuse what is not JSON as it stands. Raises Refused (415)."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(refusal(415, f"The body is {kind or 'of no type'}.", "Send 'Content-Type: application/json'."))
    if encoding and encoding.strip().lower() != "identity":
        raise Refused(refusal(415, f"The body is encoded as {encoding}.", "Send it without Content-Encoding."))


def check_size(size: int) -> None:
    """Refuse a body that is too large. Raises Refused (413)."""
    if size > LARGEST:
        raise Refused(too_large())


def too_large() -> Reply:
    """Return the reply for a body that is too large."""
    return refusal(413, f"The body has more than {LARGEST} bytes.", "Put the content into a file and send its name.")


def json_of(body: bytes) -> Json:
    """Return the JSON object of a body. Raises Refused (400).

    >>> json_of(b'{"event_key": "go"}')
    {'event_key': 'go'}
    """
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_no_number)
        json.dumps(found, allow_nan=False).encode("ascii")  # 1e999 is read as infinity
    except (ValueError, RecursionError) as error:
        raise Refused(refusal(400, f"The body is no JSON: {_short(error)}", f"Send such as {EXAMPLE}.")) from None
    if not isinstance(found, dict):
        raise Refused(refusal(400, "The body is no JSON object.", f"Send such as {EXAMPLE}."))
    return found


def post_of(body: bytes) -> Post:
    """Return the event in a body. Raises Refused (400).

    >>> post_of(b'{"event_key": "go", "event_payload": 42, "event_id": "1"}')
    Post(event_key='go', event_payload=42, event_id='1')
    """
    found = json_of(body)
    for name in ("event_key", "event_payload"):
        if name not in found:
            raise Refused(refusal(400, f"'{name}' field is not found in the request JSON", f"Send such as {EXAMPLE}."))
    return Post(_name(found, "event_key"), found["event_payload"], _name(found, "event_id", uuid.uuid4().hex))


def _name(found: Json, field: str, default: str = "") -> str:
    name = found.get(field, default)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST:
        raise Refused(refusal(400, f"'{field}' is no text of 1 to {LONGEST} characters.", f"Mend '{field}'."))
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Refused(refusal(400, f"'{field}' has a lone surrogate.", f"Mend '{field}'.")) from None
    return name


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _short(error: BaseException) -> str:
    return "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:200]

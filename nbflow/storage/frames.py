"""One line of a journal is a frame: some records that count together or not at all, with a checksum.

``{"q":<sequence number>,"n":[record,..],"crc":"hhhhhhhh"}`` and a line feed. The CRC covers all before ``,"crc"`` and
starts from the salt of the segment, so that stale blocks of another file never look like a frame. ``"m":1`` before
the CRC says that the unit goes on in the next frame. A signed frame has ``"mac":"<64 digits>"`` in front of its CRC: a
reader that checks no signatures reads it as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from .signing import DIGITS, Seal

_START = b'{"q":'
_CRC = b',"crc":"'
_END = b'"}'
_TAIL = len(_CRC) + 8 + len(_END)
_MAC = b',"mac":"'
_FRONT = re.compile(rb'\{"q":(\d{1,18}),"n":\[')
_DECODER = json.JSONDecoder()
AT_ONCE = 1 << 18
"""Bytes of a frame that are decoded at one go: meanwhile all other threads stand still."""
FIRST = 4096
"""Bytes in which a record must end for only that one to be decoded."""
_MAC_TAIL = len(_MAC) + DIGITS + len(b'"')


class Frame(NamedTuple):
    """A valid frame; ``start`` and ``end`` are its bytes in the segment, the line feed included."""

    seq: int
    records: list[dict[str, Any]]
    more: bool
    start: int
    end: int


class Scan(NamedTuple):
    """Where the valid frames of a part of a segment end, and the number of the one that would follow.

    ``damage`` says why the rest must not be taken for a torn tail.
    """

    end: int
    seq: int
    damage: str


def encode_frame(seq: int, records: Sequence[str], salt: int, *, more: bool = False, seal: Seal | None = None) -> bytes:
    """Return the bytes of one frame, signed when there is a ``seal``.

    ``records`` are JSON texts in ASCII without line feeds; anything else raises ValueError.
    """
    text = f'{{"q":{seq},"n":[{",".join(records)}]'
    if "\n" in text:
        raise ValueError("An encoded record must not hold a line feed: encode it without indentation.")
    body = (text + ',"m":1' if more else text).encode("ascii")
    if seal is not None:
        body = with_mac(body, seal)
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body, salt))


def decode_frame(raw: bytes, start: int, salt: int, seal: Seal | None = None) -> Frame | None:
    """Return the frame whose line begins at ``start``, or None when it is not whole.

    With a ``seal`` a whole frame that was not signed for that place raises SignatureError.
    """
    found = _body(raw, start, salt)
    if found is None:
        return None
    body, end = found
    if seal is not None:
        check_seal(body, seal)
    try:
        frame = _parsed(body)
        seq, records = frame["q"], frame["n"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    # A checksum is no proof that nbflow wrote it.
    return Frame(seq, records, "m" in frame, start, end) if type(records) is list and type(seq) is int else None


def glance(raw: bytes, start: int, salt: int) -> Frame | None:
    """Return a frame as ``decode_frame`` does, with an empty record in the place of all but the first.

    Of a frame that holds a whole condensed run it takes a fiftieth of the time. Whether its unit goes on is not told.
    """
    found = _body(raw, start, salt)
    if found is None:
        return None
    body, end = found
    front = _FRONT.match(body)
    if front is None:
        return decode_frame(raw, start, salt)
    text = body[front.end() : front.end() + FIRST].decode("ascii", "replace")
    try:
        first, place = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return decode_frame(raw, start, salt)
    others: list[dict[str, Any]] = [{}] if text.startswith(",", place) else []
    return Frame(int(front[1]), [first, *others], False, start, end)


def _body(raw: bytes, start: int, salt: int) -> tuple[bytes, int] | None:
    """Return what the checksum of a frame covers, and where the frame ends; None when it is not whole."""
    end = raw.find(b"\n", start)
    if end < start + _TAIL:
        return None
    cut = end - _TAIL
    if raw[cut : cut + len(_CRC)] != _CRC or raw[end - len(_END) : end] != _END:
        return None
    body = raw[start:cut]
    if b"%08x" % crc32(body, salt) != raw[cut + len(_CRC) : end - len(_END)]:
        return None
    return body, end + 1


def _parsed(body: bytes) -> Any:
    """Return the JSON of a frame, of a large one decoded record by record: between two of them others have a turn."""
    text = body.decode("ascii")
    front = _FRONT.match(body) if len(body) > AT_ONCE else None
    if front is not None:
        place = front.end() - 1
        records: list[Any] = []
        try:
            while text.startswith(("[", ","), place):
                record, place = _DECODER.raw_decode(text, place + 1)
                records.append(record)
            return json.loads(f"{text[: front.end()]}{text[place:]}}}") | {"n": records}
        except ValueError:
            pass  # not as nbflow writes it
    return json.loads(text + "}")


def says_signed(raw: bytes | bytearray, start: int = 0) -> bool:
    """Tell whether the frame whose line begins at ``start`` says of itself that it is signed."""
    end = raw.find(b"\n", start)
    return raw.startswith(_MAC, max(end - _TAIL - _MAC_TAIL, start))


def with_mac(body: bytes, seal: Seal | None) -> bytes:
    """Return the body of a JSON object, all before its closing brace, with its signature behind it."""
    return body if seal is None else b'%b%b%b"' % (body, _MAC, seal.mac(body).encode("ascii"))


def check_seal(body: bytes, seal: Seal) -> None:
    """Raise SignatureError unless a body as ``with_mac`` returns it was signed for this place."""
    cut = len(body) - _MAC_TAIL
    signed = cut > 0 and body.startswith(_MAC, cut)
    seal.check(body[: max(cut, 0)], body[cut + len(_MAC) : -1].decode("ascii", "replace") if signed else "")


def scan(raw: bytes, start: int, salt: int, seq: int, take: Callable[[Frame], None], seal: Seal | None = None) -> Scan:
    """Read frames from ``start`` on and hand each to ``take``; the first must have the number ``seq``.

    A bad frame with nothing valid after it is a torn tail: its write never returned, the rest is missing or NULs. A
    valid frame after a bad one, or a gap in the numbers, can only be damage.
    """
    while frame := decode_frame(raw, start, salt, seal):
        if frame.seq != seq:
            return Scan(start, seq, f"frame {frame.seq} stands in the place of frame {seq}, at byte {start}")
        take(frame)
        start, seq = frame.end, seq + 1
    later = next(_frames_after(raw, start + 1, salt, seal), None)
    if later is not None:
        return Scan(start, seq, f"unreadable bytes {start} to {later.start} stand before frame {later.seq}")
    return Scan(start, seq, "")


def every_frame(raw: bytes, start: int, salt: int, seal: Seal | None = None) -> list[Frame]:
    """Return all frames from ``start`` on that can be read, whatever stands between them."""
    return list(_frames_after(raw, start, salt, seal))


def _frames_after(raw: bytes, start: int, salt: int, seal: Seal | None) -> Iterator[Frame]:
    # Not by lines: the damage may have eaten a line feed.
    place = raw.find(_START, start)
    while place >= 0:
        frame = decode_frame(raw, place, salt, seal)
        if frame is not None:
            yield frame
        place = raw.find(_START, place + 1 if frame is None else frame.end)

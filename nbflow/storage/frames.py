"""One line of a journal is a frame: some records that count together or not at all, with a checksum.

``{"q":<sequence number>,"n":[record,..],"crc":"hhhhhhhh"}`` and a line feed. The CRC covers all before ``,"crc"`` and
starts from the salt of the segment, so that stale blocks of another file never look like a frame. ``"m":1`` before
the CRC says that the unit goes on in the next frame.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

_START = b'{"q":'
_CRC = b',"crc":"'
_END = b'"}'
_TAIL = len(_CRC) + 8 + len(_END)


class Frame(NamedTuple):
    """A valid frame; ``start`` and ``end`` are its bytes in the segment, the line feed included."""

    seq: int
    records: list[dict[str, Any]]
    more: bool
    start: int
    end: int


class Scan(NamedTuple):
    """The valid frames of a part of a segment; ``damage`` says why the rest must not be taken for a torn tail."""

    frames: list[Frame]
    end: int
    damage: str


def encode_frame(seq: int, records: Sequence[str], salt: int, *, more: bool = False) -> bytes:
    """Return the bytes of one frame.

    ``records`` are JSON texts in ASCII without line feeds; anything else raises ValueError.
    """
    text = f'{{"q":{seq},"n":[{",".join(records)}]'
    if "\n" in text:
        raise ValueError("An encoded record must not hold a line feed: encode it without indentation.")
    body = (text + ',"m":1' if more else text).encode("ascii")
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body, salt))


def decode_frame(raw: bytes, start: int, salt: int) -> Frame | None:
    """Return the frame whose line begins at ``start``, or None when it is not whole."""
    end = raw.find(b"\n", start)
    if end < start + _TAIL:
        return None
    cut = end - _TAIL
    if raw[cut : cut + len(_CRC)] != _CRC or raw[end - len(_END) : end] != _END:
        return None
    body = raw[start:cut]
    if b"%08x" % crc32(body, salt) != raw[cut + len(_CRC) : end - len(_END)]:
        return None
    try:
        frame = json.loads(body + b"}")
        return Frame(frame["q"], frame["n"], "m" in frame, start, end + 1)
    except (ValueError, KeyError, RecursionError):
        return None


def scan(raw: bytes, start: int, salt: int, seq: int) -> Scan:
    """Read frames from ``start`` on; the first must have the number ``seq``.

    A bad frame with nothing valid after it is a torn tail: its write never returned, the rest is missing or NULs. A
    valid frame after a bad one, or a gap in the numbers, can only be damage.
    """
    frames: list[Frame] = []
    while frame := decode_frame(raw, start, salt):
        if frame.seq != seq:
            return Scan(frames, start, f"frame {frame.seq} stands in the place of frame {seq}, at byte {start}")
        frames.append(frame)
        start, seq = frame.end, seq + 1
    later = next(_frames_after(raw, start + 1, salt), None)
    if later is not None:
        return Scan(frames, start, f"unreadable bytes {start} to {later.start} stand before frame {later.seq}")
    return Scan(frames, start, "")


def every_frame(raw: bytes, start: int, salt: int) -> list[Frame]:
    """Return all frames from ``start`` on that can be read, whatever stands between them."""
    return list(_frames_after(raw, start, salt))


def _frames_after(raw: bytes, start: int, salt: int) -> Iterator[Frame]:
    # Not by lines: the damage may have eaten a line feed.
    place = raw.find(_START, start)
    while place >= 0:
        frame = decode_frame(raw, place, salt)
        if frame is not None:
            yield frame
        place = raw.find(_START, place + 1 if frame is None else frame.end)

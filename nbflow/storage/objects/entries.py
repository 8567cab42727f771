"""What one object of a log says: a header, a commit or a tombstone, as one frame with its checksum and signature.

Each begins with a record that says by whom it is, under a nonce that no other owner has. So an owner whose answer was
lost knows its own object again, and a reader knows that a commit follows the header that it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from nbflow.errors import StorageError

from ..base import Json
from ..frames import Frame, decode_frame, encode_frame, says_signed
from ..signing import Seal, Signer, seal_of, signer_for
from .place import ObjectPlace

VERSION = 1
HEADER, COMMIT, TOMBSTONE = "own", "by", "gone"


class Damaged(Exception):
    """An object is not what was written; the text says which, and how."""


class Header(NamedTuple):
    """The beginning of an ownership; ``number`` is its place in the log, and the epoch of its owner.

    The run is in its ``life`` since the header of that number. Its records begin at number ``start``, those of the
    object ``snapshot`` before them, if there is one. ``used`` tells whether any were committed before this header.
    """

    number: int
    nonce: str
    run: str
    life: int
    start: int
    snapshot: str
    used: bool
    owner: Json
    signer: Signer | None


class Tombstone(NamedTuple):
    """The end of a life."""

    number: int
    life: int


class Commit(NamedTuple):
    """Some records that count together, by the owner ``nonce`` of ``epoch``."""

    number: int
    nonce: str
    epoch: int
    records: list[Json]


Entry = Header | Tombstone | Commit


def encode_header(place: ObjectPlace, header: Header, versions: Json) -> bytes:
    """Return the content of a header."""
    record = {
        "t": "seg", "k": HEADER, "v": VERSION, "o": header.nonce, "e": header.number, "run": header.run,
        "life": header.life, "start": header.start, "snap": header.snapshot, "used": header.used,
        "id": place.workflow_id, "owner": header.owner, **versions,
    }  # fmt: skip
    return encode_frame(header.number, [_text(record)], 0, seal=_own_seal(place, header.signer, header.number))


def encode_tombstone(place: ObjectPlace, number: int, life: int, nonce: str, signer: Signer | None) -> bytes:
    """Return the content of a tombstone."""
    record = {"t": "seg", "k": TOMBSTONE, "v": VERSION, "o": nonce, "life": life, "id": place.workflow_id}
    return encode_frame(number, [_text(record)], 0, seal=_own_seal(place, signer, number))


def encode_commit(place: ObjectPlace, header: Header, number: int, records: Sequence[str]) -> bytes:
    """Return the content of a commit. Raises ValueError for a record that is not one line of ASCII."""
    record = {"t": COMMIT, "o": header.nonce, "e": header.number}
    return encode_frame(number, [_text(record), *records], 0, seal=_seal(place, header))


def is_commit(raw: bytes) -> bool:
    """Tell from its first bytes whether an object is a commit: only those are ever removed."""
    return b'"n":[{"t":"by"' in raw[:60]


def decode_own(place: ObjectPlace, number: int, raw: bytes) -> Header | Tombstone:
    """Return a header or a tombstone. Raises Damaged, SignatureError, StorageError when a newer nbflow wrote it."""
    where = f"The journal of run {place.workflow_id!r} (object {number})"
    signer = signer_for(place.signer, says_signed(raw), where, f"nbflow sign {place.workflow_id}")
    fields = _frame(place, number, raw, _own_seal(place, signer, number)).records[0]
    if fields.get("v", 0) > VERSION:
        raise StorageError(
            f"The journal was written by nbflow {fields.get('nbflow', '?')} in format {fields['v']}, and this nbflow "
            f"reads up to format {VERSION}: install a newer one (pip install -U nbflow)."
        )
    if fields.get("k") == TOMBSTONE:
        return Tombstone(number, fields["life"])
    if fields.get("k") != HEADER:
        raise Damaged(f"object {number} is no header")
    return Header(
        number, fields["o"], fields["run"], fields["life"], fields["start"], fields["snap"], fields["used"],
        fields["owner"], signer,
    )  # fmt: skip


def decode_commit(place: ObjectPlace, header: Header, number: int, raw: bytes) -> Commit:
    """Return a commit of the owner of ``header``. Raises Damaged, SignatureError."""
    first, *records = _frame(place, number, raw, _seal(place, header)).records
    if first.get("o") != header.nonce:
        raise Damaged(f"object {number} is not by the owner of header {header.number}")
    return Commit(number, header.nonce, header.number, records)


def epoch_of(place: ObjectPlace, number: int, raw: bytes) -> int:
    """Return the header that a commit says it belongs to; its signature is checked when that is known."""
    return int(_frame(place, number, raw, None).records[0].get("e", 0))


def encode_snapshot(place: ObjectPlace, header: Header, records: Sequence[str]) -> bytes:
    """Return the content of a snapshot that belongs to a header."""
    return encode_frame(header.number, records, 0, seal=_seal(place, header))


def decode_snapshot(place: ObjectPlace, header: Header, raw: bytes) -> list[Json]:
    """Return the records of a snapshot. Raises Damaged, SignatureError."""
    return _frame(place, header.start, raw, _seal(place, header)).records


def _frame(place: ObjectPlace, number: int, raw: bytes, seal: Seal | None) -> Frame:
    frame = decode_frame(raw, 0, 0, seal)
    if frame is None or frame.seq != number or frame.end != len(raw):
        raise Damaged(f"object {number} is unreadable")
    return frame


def _own_seal(place: ObjectPlace, signer: Signer | None, number: int) -> Seal | None:
    where = f"The journal of run {place.workflow_id!r} (object {number})"
    return seal_of(signer, where, "object", place.workflow_id, number) if signer is not None else None


def _seal(place: ObjectPlace, header: Header) -> Seal | None:
    # Not by the number, which is in the frame itself and is checked there.
    if header.signer is None:
        return None
    where = f"The journal of run {place.workflow_id!r} (since object {header.number})"
    return seal_of(header.signer, where, "objects", header.run, header.nonce)


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"))

"""Go on with a damaged run from what can be read, and say what was left aside: nothing is dropped in silence."""

from __future__ import annotations

import json

from nbflow.errors import StorageDamaged

from ..base import Salvage
from .bucket import create_once
from .claims import Claim
from .entries import Header, encode_header, encode_snapshot
from .journal import _versions, next_header
from .place import ObjectPlace
from .reading import Log, read_log, read_top


def salvage(place: ObjectPlace) -> Salvage:
    """Begin anew with the records before the damage. Idempotent; a run without damage is left alone.

    The objects that were read are copied to ``aside/`` of the run, with a report of what could be read behind the
    damage. Raises WorkflowNotFoundError, StorageDamaged when nothing can be read, RunIsLive.
    """
    top = read_top(place)
    if not top.used:
        raise place.not_found()
    log = read_log(place, top)
    if not log.damage or log.header is None:
        return Salvage(place.workflow_id, kept=len(log.records))
    if not log.records:
        raise StorageDamaged(
            f"Nothing of run {place.workflow_id!r} can be read before the damage ({log.damage}). Its objects are "
            f"untouched in {place.bucket.url}/{place.log}: restore them from a copy, or delete the run."
        )
    claim = Claim(place)
    claim.refuse_if_live(top.own)
    found = _report(place, log)
    try:
        header = next_header(place, top, claim.stake(top.number + 1))
        header = header._replace(start=header.number, snapshot=f"{header.number:012d}-{header.nonce}.json")
        records = [json.dumps(record, separators=(",", ":")) for record in log.records]
        key = f"{place.snapshots}{header.snapshot}"
        place.bucket.put_pieces(key, [memoryview(encode_snapshot(place, header, records))])
        made = create_once(place.bucket, place.number(header.number), encode_header(place, header, _versions()))
        own = read_top(place).own if made else None
        # A header in the middle counts for nothing: it got a number that was rolled up while this process slept.
        if not isinstance(own, Header) or own.start < header.start:
            raise StorageDamaged(f"Run {place.workflow_id!r} was changed while it was mended: try again.")
    finally:
        claim.release()
    return found


def _report(place: ObjectPlace, log: Log) -> Salvage:
    assert log.header is not None
    aside = f"{place.life(log.header.life)}aside/{log.top:012d}/"
    kept = tuple(key.rpartition("/")[2] for key in log.keys)
    for key, name in zip(log.keys, kept, strict=True):
        place.bucket.copy(key, f"{aside}{name}")
    found = Salvage(place.workflow_id, len(log.records), log.damage, kept, log.readable)
    report = {"damage": found.damage, "kept": found.kept, "aside": found.aside, "left": found.left}
    place.bucket.put(f"{aside}report.json", json.dumps(report, indent=1).encode("ascii"))
    return found

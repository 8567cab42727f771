"""Sign a run that was not signed, as it stands: for whoever has looked at it and trusts where it was."""

from __future__ import annotations

import json

from ..frames import says_signed, with_mac
from ..signing import Signer
from .claims import Claim
from .inbox import inbox_of
from .journal import open_journal
from .place import ObjectPlace


def sign_run(place: ObjectPlace, signer: Signer) -> int:
    """Sign all records of a run and the events that wait for it; return how many records, 0 when they are signed.

    A crash leaves the run as it was or signed. Raises RunIsLive, StorageDamaged, SignatureError for another's key.
    """
    claim = Claim(place)
    journal, log = open_journal(place._replace(signer=None), claim)
    try:
        if journal.header.signer is not None:
            return 0
        journal.header = journal.header._replace(signer=signer)
        journal.compact([json.dumps(record, separators=(",", ":")) for record in log.records])
        _sign_events(place._replace(signer=signer), journal.header.run, inbox_of(place, journal.header.life))
    finally:
        journal.close()
        claim.release()
    return len(log.records)


def _sign_events(place: ObjectPlace, run: str, inbox: str) -> None:
    waiting = [each.key for each in place.bucket.find(inbox)]
    for key, raw in zip(waiting, place.bucket.get_many(waiting), strict=True):
        if raw is not None and not says_signed(raw + b"\n"):
            seal = place.seals.event(run, key[len(inbox) :])
            place.bucket.put(key, with_mac(raw[:-1], seal) + b"}")

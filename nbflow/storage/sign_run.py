"""Sign a run that was not signed, as it stands: for whoever has looked at it and trusts where it was."""

from __future__ import annotations

import json

from .chain import Chain
from .compaction import compacted, empty_older
from .failures import storage_errors
from .foreign import parse
from .frames import with_mac
from .inbox import LARGEST
from .journal import Journal, open_journal
from .os_calls import discard, write_file
from .ownership import Ownership
from .place import RunPlace
from .signing import Signer


def sign_run(place: RunPlace, signer: Signer) -> int:
    """Sign all records of a run and the events that wait for it; return how many records, 0 when they are signed.

    A crash leaves the run as it was or signed. Raises RunIsLive, StorageDamaged, SignatureError for another's key.
    """
    ownership = Ownership(place)
    with storage_errors(f"run {place.workflow_id!r}"):
        journal, chain = open_journal(place._replace(signer=None), ownership)
        try:
            if journal.signer is not None:
                return 0
            journal = _signed(place, journal, chain, signer)
            _sign_events(place, journal.run, signer)
        finally:
            journal.close()
            ownership.release()
    return len(chain.records)


def _signed(place: RunPlace, journal: Journal, chain: Chain, signer: Signer) -> Journal:
    journal.signer = signer
    records = [json.dumps(record, separators=(",", ":")) for record in chain.records]
    shorter = compacted(place, journal, records)
    journal.close()
    empty_older(place, shorter)
    return shorter


def _sign_events(place: RunPlace, run: str, signer: Signer) -> None:
    calls, folder = place.calls, f"{place.folder}/inbox"
    try:
        names = calls.listdir(f"{folder}/new")
    except FileNotFoundError:
        return
    for name in names:
        try:
            event = parse(calls.read_plain(f"{folder}/new/{name}", LARGEST))
            body = json.dumps({"sent": event["sent"], "event": event["event"]}).encode("ascii")[:-1]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # its owner puts it aside
        temporary = f"{folder}/tmp/{calls.random_hex(8)}"
        try:
            content = with_mac(body, place._replace(signer=signer).seals.event(run, name)) + b"}"
            write_file(calls, temporary, content, sync=True)
            calls.rename(temporary, f"{folder}/new/{name}")
        finally:
            discard(calls, temporary)
    calls.fsync_dir(f"{folder}/new")

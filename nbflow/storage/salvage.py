"""Go on with a damaged run from what can be read, and say what was left aside: nothing is dropped in silence."""

from __future__ import annotations

import json

from nbflow.errors import StorageDamaged

from .base import Json, Salvage
from .chain import Chain, read_chain, readable_frames, segment_numbers, segment_path
from .journal import open_journal
from .os_calls import write_file
from .ownership import Ownership
from .place import RunPlace


def salvage(place: RunPlace) -> Salvage:
    """Begin a new segment in front of the damage. Idempotent; a run without damage is left alone.

    No file is changed or removed. What could be read behind the damage goes into a report beside them. Raises
    StorageDamaged when nothing before the damage can be read, RunIsLive when the run has an owner.
    """
    before = read_chain(place.calls, place.folder, place.seals)
    if not before.damage:
        return Salvage(place.workflow_id, kept=len(before.records))
    if not before.records:
        raise StorageDamaged(
            f"Nothing of run {place.workflow_id!r} can be read before the damage ({before.damage}). Its files are "
            f"untouched in {place.folder}: restore them from a copy, or delete the run."
        )
    ownership = Ownership(place)
    journal, chain = open_journal(place, ownership, salvage=True)
    try:
        return _report(place, chain, journal.number)
    finally:
        journal.close()
        ownership.release()


def _report(place: RunPlace, chain: Chain, epoch: int) -> Salvage:
    aside: list[str] = []
    behind: dict[int, list[Json]] = {}
    for number in reversed(segment_numbers(place.calls, place.folder)):
        if chain.tail.prev <= number < epoch:
            aside.append(segment_path(place.folder, number).rpartition("/")[2])
            for frame in readable_frames(place.calls, place.folder, number, place.seals):
                if frame.seq > chain.tail.seq:
                    behind[frame.seq] = frame.records  # in a later segment only what is carried over comes again
    left = [record for seq in sorted(behind) for record in behind[seq]]
    found = Salvage(place.workflow_id, len(chain.records), chain.damage, tuple(aside), left)
    report = {"damage": found.damage, "kept": found.kept, "aside": found.aside, "left": found.left}
    path = f"{place.folder}/salvage-{epoch:08d}.json"
    write_file(place.calls, path, json.dumps(report, indent=1).encode("ascii"), sync=True)
    place.calls.fsync_dir(place.folder)
    return found

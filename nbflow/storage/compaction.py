"""Replace the journal of a run by a shorter one, in one piece: after a crash there is the old one or the new one.

The shorter one is a segment of its own that continues none; its header has all records, so that it counts from the
moment it is whole. Only then, and when it is durable, are the older segments emptied. They stay, as empty files: a name
that was used must never be free again, because an owner knows that it has been fenced by the segment next to its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbflow.errors import Fenced

from .chain import Tail, run_of, segment_numbers, segment_path
from .journal import Journal
from .os_calls import CHANGE, CREATE_NEW
from .place import RunPlace


def compacted(place: RunPlace, journal: Journal, records: Sequence[str]) -> Journal:
    """Return a new journal of an owner that has these encoded records alone; the one before takes no more commits.

    Raises Fenced when the run has another owner, OSError.
    """
    number = journal.number + 1
    try:
        fd = place.calls.open(segment_path(place.folder, number), CREATE_NEW)
    except FileExistsError:
        raise Fenced(f"Another process has taken run {place.workflow_id!r} over; its journal stays as it is.") from None
    shorter = Journal(place, number, fd)
    shorter.signer = journal.signer
    try:
        # Only now: if somebody has deleted the run and made it anew, the segment was made among those of the new one.
        journal.check_place()
        place.calls.fsync_dir(place.folder)
        shorter.begin(Tail(0, 0, [], journal.seq + 1), journal.run, place.workflow_id, records)
    except BaseException:
        shorter.close()
        raise
    return shorter


def empty_older(place: RunPlace, journal: Journal) -> None:
    """Empty all segments before this one, the oldest first: who finds one empty finds all before it empty too.

    A failure leaves a file as it is: it costs room, and counts for nothing.
    """
    for number in reversed(segment_numbers(place.calls, place.folder)):
        if number < journal.number:
            try:
                _empty(place, number, journal.run)
            except OSError:
                return


def _empty(place: RunPlace, number: int, run: str) -> None:
    # By what it says and not by its name, which may by now be that of a run that was made anew.
    fd = place.calls.open(segment_path(place.folder, number), CHANGE)
    try:
        if run_of(place.calls, fd, number) == run:
            place.calls.truncate(fd)
    finally:
        place.calls.close(fd)

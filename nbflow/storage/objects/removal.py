"""Delete a run: a tombstone in its log ends its life at one moment, and then all that belonged to it goes.

A mark in ``trash/open`` says that a deletion is under way, so that who starts next finishes it; one in ``trash/done``
hides for a day what a process that slept may still write.

Headers and tombstones stay for ever: of a deleted run some 500 bytes for each owner it had, and 200 for its end. No age
makes it safe to remove one. A process that slept, on a laptop that was closed or a machine that was restored, goes on
by creating its next number, and only what stands there tells it that the run is another's, or gone. It cannot ask
before, since it may sleep again behind the answer, and nobody else can know that it is there. Who does know that no
process lives which ever used the storage may remove the whole of ``runs/<dir>/j/`` of a deleted run of which ``trash/``
says nothing any more.
"""

from __future__ import annotations

import json
import re

from nbflow.errors import StorageError, WorkflowStillActiveError

from .bucket import Bucket, create_once
from .claims import claims_of, live_owner
from .entries import Header, Tombstone, encode_tombstone, is_commit
from .place import ObjectPlace
from .reading import pieces_of, read_top

LIFE_OF_A_MARK = 86400.0
"""Seconds for which a deletion is remembered."""
FORGOTTEN = 3600.0
"""Seconds after which a deletion that never came to its tombstone is given up."""
_MARK = re.compile(r"trash/(open|done)/([^/]+)/(\d+)")


def delete_run(place: ObjectPlace) -> None:
    """Remove a run for good. Raises WorkflowNotFoundError, WorkflowStillActiveError."""
    while True:
        top = read_top(place)
        if not isinstance(top.own, Header) or not top.used:
            raise place.not_found()
        owner = live_owner(place, top.own)
        if owner is not None:
            raise WorkflowStillActiveError(
                place.workflow_id,
                f"Run {place.workflow_id!r} is live in process {owner.get('pid')} on {owner.get('host')!r}: cancel it "
                "first.",
            )
        life, number = top.own.life, top.number + 1
        place.bucket.put(place.trash("open", life), json.dumps(place.workflow_id).encode("ascii"))
        stone = encode_tombstone(place, number, life, place.bucket.random_hex(16), top.own.signer)
        # A commit that was rolled up leaves its number free. A tombstone that came to lie there, since its maker slept
        # while an owner thought to be dead went on, is in the middle of the log and ends nothing.
        if create_once(place.bucket, place.number(number), stone) and (end := is_over(place, life)):
            break
        # Somebody has committed, taken the run or deleted it meanwhile.
    try:
        bury(place, life, end)
    except StorageError:
        pass  # the run is gone; who starts next removes the rest


def bury(place: ObjectPlace, life: int, number: int) -> None:
    """Remove what belonged to a life that ended before ``number``. Idempotent."""
    bucket = place.bucket
    claims = [] if read_top(place).number > number else [each.key for each in claims_of(place)]
    bucket.delete([place.listing(life), *claims])
    bucket.delete([each.key for each in bucket.find(place.life(life))])
    old = [piece.key for piece in pieces_of(place) if piece.end <= number]
    old += [each.key for each in bucket.find(place.snapshots) if each.key < f"{place.snapshots}{number:012d}"]
    listed = [each.key for each in bucket.find(place.log) if each.key < place.number(number)]
    old += [key for key, raw in zip(listed, bucket.get_many(listed), strict=True) if raw is not None and is_commit(raw)]
    bucket.delete(old)
    bucket.put(place.trash("done", life), b"")
    bucket.delete([place.trash("open", life)])


def marks(bucket: Bucket) -> dict[str, dict[int, tuple[str, float]]]:
    """Return the deletions that are remembered: for each run its lives, and of each the kind and the time."""
    found: dict[str, dict[int, tuple[str, float]]] = {}
    for each in bucket.find("trash/"):
        if match := _MARK.fullmatch(each.key):
            lives = found.setdefault(match[2], {})
            if lives.get(int(match[3]), ("open",))[0] == "open":
                lives[int(match[3])] = (match[1], each.changed)
    return found


def is_over(place: ObjectPlace, life: int) -> int:
    """Return the number of the tombstone of a life, 0 when it goes on."""
    own = read_top(place).own
    if isinstance(own, Tombstone):
        return own.number
    return own.life - 1 if own is not None and own.life > life else 0


def is_deleted(bucket: Bucket, name: str, life: int) -> bool:
    """Tell whether a deletion that is under way came to its tombstone."""
    place = _place_of(bucket, name, life)
    return place is not None and bool(is_over(place, life))


def empty_trash(bucket: Bucket) -> None:
    """Finish what deletions left; whatever resists stays for the next time."""
    found = marks(bucket)
    now = bucket.now() + bucket.clock_offset() if found else 0.0
    for name, lives in found.items():
        for life, (kind, changed) in lives.items():
            try:
                if kind == "open":
                    _finish(bucket, name, life, now - changed)
                elif now - changed > LIFE_OF_A_MARK:
                    late = [each.key for each in bucket.find(f"runs/{name}/{life:012d}/")]
                    bucket.delete([*late, f"listing/{name}/{life:012d}.json", f"trash/done/{name}/{life:012d}"])
            except StorageError:
                continue


def _finish(bucket: Bucket, name: str, life: int, age: float) -> None:
    place = _place_of(bucket, name, life)
    if place is not None and (number := is_over(place, life)):
        bury(place, life, number)
    elif age > FORGOTTEN:
        bucket.delete([f"trash/open/{name}/{life:012d}"])


def _place_of(bucket: Bucket, name: str, life: int) -> ObjectPlace | None:
    raw = bucket.get(f"trash/open/{name}/{life:012d}")
    try:
        place = ObjectPlace(bucket, json.loads(raw or b""))
        return place if place.name == name else None
    except ValueError:
        return None

"""The files of an event stream: one small file a commit, numbered by exclusive creation, and rolled into segments.

    events/<namespace>/
      name.json                     {"namespace": ..}, since a folder name may be a hash; "signed": .. if it is signed
      tail/<offset>                 one frame: the events from this offset on. Linked when its content is on the disk
      segments/<first>-<end>-<ms>   frames one after another, and the latest time among their events
      segments/<first>-<end>-<ms>.ids   "#<hash><offset>" of the events that were sent with an id; only if there are any
      rolled-<offset>               all below is in segments; frames of the tail below it are leftovers and do not count
      first-<offset>                all below was pruned
      tmp/  blobs/                  unfinished files; large values

A mark is an empty file, and the largest of its kind counts: marks only rise, whoever makes them and in what order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from nbflow.errors import StorageDamaged

from .base import Json
from .foreign import parse
from .frames import Frame, decode_frame
from .os_calls import CREATE_NEW, OS, discard
from .signing import Seal, Signer, seal_of, signer_for

_MARK = re.compile(r"(rolled|first)-(\d{12,})")
_SEGMENT = re.compile(r"(\d{12,})-(\d{12,})-(\d{13,})")
_FRAME = re.compile(r"\d{12,}")
START = 1
"""The offset of the first event of a stream."""

Pairs = list[tuple[int, Json]]
Made = tuple[int, int, int] | None


class Marks(NamedTuple):
    """Below ``rolled`` all is in segments; below ``first`` all is pruned."""

    rolled: int
    first: int


class Segment(NamedTuple):
    """A file of rolled frames with the events from ``first`` to before ``end``; ``until`` is in UTC milliseconds."""

    first: int
    end: int
    until: int

    @property
    def name(self) -> str:
        """The name of the file, which says all this."""
        return f"{self.first:012d}-{self.end:012d}-{self.until:013d}"


def frame_end(frame: Frame) -> int:
    """Return the offset after the last event of a frame."""
    return frame.seq + len(frame.records)


def pairs_of(frame: Frame) -> Pairs:
    """Return the events of a frame with their offsets."""
    return list(enumerate(frame.records, frame.seq))


class StreamFiles:
    """The folder of one stream. A stream that is not there yet reads as an empty one."""

    def __init__(self, calls: OS, folder: str, namespace: str, signer: Signer | None = None) -> None:
        self.calls = calls
        self.folder = folder
        self.namespace = namespace
        self.signer = signer
        self._sealed: tuple[Made, Seal | None] | None = None
        self.salt = crc32(namespace.encode("utf-8", "surrogatepass"))

    def tail(self, offset: int) -> str:
        """Return the path of the frame that begins at an offset."""
        return f"{self.folder}/tail/{offset:012d}"

    def segment(self, segment: Segment) -> str:
        """Return the path of a segment."""
        return f"{self.folder}/segments/{segment.name}"

    def temporary(self) -> str:
        """Return a path for an unfinished file."""
        return f"{self.folder}/tmp/{self.calls.random_hex(8)}"

    # ---- signing ----

    def introduction(self) -> bytes:
        """Return the content of ``name.json``: of a signed stream with the random name that its frames are bound to."""
        signed = {"signed": self.calls.random_hex(16)} if self.signer is not None else {}
        return json.dumps({"namespace": self.namespace, **signed}).encode("ascii")

    def seal(self) -> Seal | None:
        """Return the seal of this stream, None when it is not signed. Raises SignatureError.

        It is that of the folder that stands there now: a reader may outlive the one that it began with.
        """
        made, known = self._made(), self._sealed
        if known is not None and made in (known[0], None):
            return known[1]
        identity = self._identity()
        where = f"The stream of events of namespace {self.namespace!r}"
        signer = signer_for(self.signer, bool(identity), where, "send them anew to another namespace")
        seal = seal_of(signer, where, "events", self.namespace, identity) if signer is not None else None
        self._sealed = (made, seal)
        return seal

    def look_again(self) -> None:
        """Forget whether the stream is signed: somebody may have removed it, and another may have made it anew."""
        self._sealed = None

    def _made(self) -> Made:
        """Return what tells this stream's folder from another one in its place; None when there is none."""
        try:
            status = self.calls.stat(f"{self.folder}/name.json")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_dev, status.st_ino, status.st_mtime_ns

    def _identity(self) -> str:
        try:
            return str(parse(self.calls.read_all(f"{self.folder}/name.json")).get("signed", ""))
        except (FileNotFoundError, NotADirectoryError, ValueError, AttributeError):
            return ""

    # ---- looking ----

    def marks(self) -> Marks:
        """Return how far the stream is rolled and pruned."""
        found = {"rolled": START, "first": START}
        for kind, offset in self._marks():
            found[kind] = max(found[kind], offset)
        return Marks(**found)

    def loose(self, rolled: int) -> list[int]:
        """Return where the frames of the tail begin, in order."""
        names = self._names("tail")
        return sorted(offset for name in names if _FRAME.fullmatch(name) and (offset := int(name)) >= rolled)

    def segments(self) -> list[Segment]:
        """Return the segments in order. Those of rollers that raced each other may overlap; they say the same."""
        found = (_SEGMENT.fullmatch(name) for name in self._names("segments"))
        return sorted(Segment(*map(int, match.groups())) for match in found if match)

    def frame(self, offset: int) -> Frame | None:
        """Return the frame of the tail that begins at an offset, or None."""
        found = self.raw_frame(offset)
        return found[0] if found else None

    def raw_frame(self, offset: int) -> tuple[Frame, bytes] | None:
        """Return the frame of the tail that begins at an offset, and its bytes, or None."""
        try:
            raw = self.calls.read_all(self.tail(offset))
        except (FileNotFoundError, NotADirectoryError):
            return None
        frame = decode_frame(raw, 0, self.salt, self.seal())
        if frame is None or frame.seq != offset or not frame.records:
            raise self.damaged(f"the frame at offset {offset} is unreadable: {self.tail(offset)}")
        return frame, raw

    def frames(self, segment: Segment, begin: int) -> Iterator[Frame]:
        """Yield the frames of a segment with events from ``begin`` on. Raises FileNotFoundError when it is gone."""
        raw = self.calls.read_all(self.segment(segment))
        starts = _lines(raw)
        starts = starts[max(0, sum(offset <= begin for offset, _ in starts) - 1) :]
        expected = starts[0][0] if starts else segment.end
        for _, place in starts:
            frame = decode_frame(raw, place, self.salt, self.seal())
            if frame is None or frame.seq != expected:
                break
            yield frame
            expected = frame_end(frame)
        if expected != segment.end:
            raise self.damaged(f"segment {segment.name} is unreadable at offset {expected}: {self.segment(segment)}")

    def ids(self, segment: Segment) -> bytes:
        """Return the index of the ids in a segment."""
        try:
            return self.calls.read_all(f"{self.segment(segment)}.ids")
        except FileNotFoundError:
            return b""

    def damaged(self, what: str) -> StorageDamaged:
        """Return the error for a file that is not what was written."""
        return StorageDamaged(
            f"The events of namespace {self.namespace!r} are damaged: {what}. Take the file from a backup. Without "
            "one, prune the stream past it, or move the file away when it is the last."
        )

    # ---- changing ----

    def sync_tail(self) -> None:
        """Make the names in the tail durable, whoever made them. A reader without the right to do so leaves it."""
        try:
            self.calls.fsync_dir(f"{self.folder}/tail")
        except (PermissionError, FileNotFoundError):
            pass

    def set_mark(self, kind: str, offset: int) -> None:
        """Make a mark durable, and remove old ones."""
        try:
            self.calls.close(self.calls.open(f"{self.folder}/{kind}-{offset:012d}", CREATE_NEW))
        except FileExistsError:
            pass
        self.calls.fsync_dir(self.folder)
        # The last but one stays: a listing during this call must not miss both the old one and the new one.
        for old in sorted(found for each, found in self._marks() if each == kind)[:-2]:
            discard(self.calls, f"{self.folder}/{kind}-{old:012d}")

    def _marks(self) -> Iterator[tuple[str, int]]:
        for name in self._names(""):
            if match := _MARK.fullmatch(name):
                yield match[1], int(match[2])

    def _names(self, below: str) -> list[str]:
        try:
            return self.calls.listdir(f"{self.folder}/{below}" if below else self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []


def namespace_in(calls: OS, folder: str) -> str | None:
    """Return the namespace whose stream is in a folder, or None."""
    try:
        found = parse(calls.read_all(f"{folder}/name.json"))["namespace"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _lines(raw: bytes) -> list[tuple[int, int]]:
    """Return the offset and the place of each line, from its first characters alone: to seek must not parse all."""
    found, place = [], 0
    while place < len(raw):
        comma = raw.find(b",", place, place + 40)
        try:
            found.append((int(raw[place + 5 : comma]), place))
        except ValueError:
            break
        place = raw.find(b"\n", place) + 1
        if not place:
            break
    return found

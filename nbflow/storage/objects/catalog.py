"""List the runs of an object store in a few requests, whatever their number: rows that owners keep beside the logs.

A row is a cache. It is there before the first commit of its run, so that no run is missed; until its owner has written
a status into it, the log itself is asked. ``cache/index.json`` holds the rows that somebody has read before.
"""

from __future__ import annotations

import json
import re

from nbflow.errors import NbflowError, SignatureError, StorageError

from ..base import Json, RunEntry
from .bucket import Bucket, Listed
from .claims import is_live
from .entries import Header
from .place import ObjectPlace
from .reading import Top, read_top
from .removal import is_deleted, marks

INDEX = "cache/index.json"
INDEX_VERSION = 1
INDEX_AFTER = 50
"""Rows that may be read anew at each listing before the index is worth writing."""
_ROW = re.compile(r"listing/([^/]+)/(\d+)\.json")
_CLAIM = re.compile(r"live/([^/]+)/[^/]+\.json")
Row = tuple[str, Json]
"""The version of an object, and what it says."""


def write_row(place: ObjectPlace, life: int, status: Json | None) -> None:
    """Replace the row of a run; without a status it says only that there may be a run."""
    content = {"workflow_id": place.workflow_id, **({} if status is None else {"status": status})}
    place.bucket.put(place.listing(life), json.dumps(content).encode("ascii"))


class ObjectCatalog:
    """The listing of all runs below one prefix."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._rows: dict[str, Row] | None = None
        self._claims: dict[str, Row] = {}

    def list_runs(self) -> list[RunEntry]:
        """Return every run that was ever committed, by last change, newest first."""
        newest: dict[str, tuple[int, Listed]] = {}
        for each in self._bucket.find("listing/"):
            if match := _ROW.fullmatch(each.key):
                newest[match[1]] = max(newest.get(match[1], (0, each)), (int(match[2]), each))
        for name, lives in marks(self._bucket).items():
            life = newest.get(name, (0,))[0]
            if life in lives and (lives[life][0] == "done" or is_deleted(self._bucket, name, life)):
                del newest[name]
        known = self._rows if self._rows is not None else self._read_index()
        rows = self._read(known, [each for _, each in newest.values()])
        if sum(known.get(key) is not row for key, row in rows.items()) > INDEX_AFTER:
            self._write_index(rows)
        self._rows = rows
        claims = self._newest_claims("live/")
        entries = [
            entry for name, (_, each) in newest.items()
            if each.key in rows and (entry := self._entry(rows[each.key][1], each, claims.get(name))) is not None
        ]  # fmt: skip
        return sorted(entries, key=lambda entry: entry.changed, reverse=True)

    def entry(self, place: ObjectPlace) -> RunEntry | None:
        """Return one run as ``list_runs`` would, or None."""
        try:
            top = read_top(place)
        except SignatureError:
            return RunEntry(place.workflow_id)  # it is there, and who opens it is told
        if not isinstance(top.own, Header) or not top.used:
            return None
        key = place.listing(top.own.life)
        each = next((each for each in self._bucket.find(f"listing/{place.name}/") if each.key == key), None)
        claim = self._newest_claims(place.live).get(place.name)
        row = self._read({}, [each]).get(each.key) if each is not None else None
        if each is None or row is None:
            return self._with_owner(place.workflow_id, {}, top.changed, claim)
        return self._entry(row[1], each, claim)

    def _entry(self, row: Json, each: Listed, claim: tuple[Json, float] | None) -> RunEntry | None:
        workflow_id = row["workflow_id"]
        if isinstance(row.get("status"), dict):
            return self._with_owner(workflow_id, row["status"], each.changed, claim)
        try:
            top: Top = read_top(ObjectPlace(self._bucket, workflow_id))
        except NbflowError:
            return self._with_owner(workflow_id, {}, each.changed, claim)  # who opens it is told
        return self._with_owner(workflow_id, {}, top.changed, claim) if top.used else None

    def _with_owner(self, workflow_id: str, status: Json, changed: float, claim: tuple[Json, float] | None) -> RunEntry:
        if claim is None:
            return RunEntry(workflow_id, status, None, False, changed)
        return RunEntry(workflow_id, status, claim[0], is_live(self._bucket, *claim), changed)

    def _newest_claims(self, prefix: str) -> dict[str, tuple[Json, float]]:
        """Return of each run the claim of its newest owner, and the time of its heartbeat."""
        listed = [each for each in self._bucket.find(prefix) if _CLAIM.fullmatch(each.key)]
        self._claims = {**self._claims, **self._read(self._claims, listed)} if len(self._claims) < 10_000 else {}
        found: dict[str, tuple[Json, float]] = {}
        for each in listed:
            owner = self._claims[each.key][1] if each.key in self._claims else None
            name = each.key.split("/")[1]
            if owner is not None and owner["epoch"] >= found.get(name, ({"epoch": 0}, 0.0))[0]["epoch"]:
                found[name] = owner, each.changed
        return found

    def _read(self, known: dict[str, Row], listed: list[Listed]) -> dict[str, Row]:
        rows = {each.key: known[each.key] for each in listed if known.get(each.key, ("",))[0] == each.version}
        fresh = [each for each in listed if each.key not in rows]
        for each, raw in zip(fresh, self._bucket.get_many([each.key for each in fresh]), strict=True):
            try:
                found = json.loads(raw or b"")
            except ValueError:
                continue
            if isinstance(found, dict) and ("workflow_id" in found or "claim" in found):
                rows[each.key] = each.version, found
        return rows

    def _read_index(self) -> dict[str, Row]:
        try:
            index = json.loads(self._bucket.get(INDEX) or b"{}")
            rows = index["runs"] if index["v"] == INDEX_VERSION else {}
            return {key: (row[0], dict(row[1])) for key, row in rows.items()}
        except (StorageError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return {}

    def _write_index(self, rows: dict[str, Row]) -> None:
        try:
            self._bucket.put_pieces(INDEX, [memoryview(json.dumps({"v": INDEX_VERSION, "runs": rows}).encode("ascii"))])
        except StorageError:
            pass

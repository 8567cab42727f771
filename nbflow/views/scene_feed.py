"""What has changed in a run that is drawn as a scene, as the same small messages that a graph of tasks gives."""

from __future__ import annotations

from typing import Any

from ..core.graph import Json
from ..core.state import RunState
from . import topo
from .feed import Delta, Feed
from .header import Header
from .picture import Picture
from .questions import OPEN
from .scene import Scene, scene_of


def feed_of(state: RunState) -> Feed | SceneFeed:
    """Return what follows a run for its views."""
    return SceneFeed(state) if scene_of(state) is not None else Feed(state)


class SceneFeed:
    """Follows one machine or flow; as ``Feed`` otherwise. A scene is small: it is drawn anew at every look."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self.picture = Picture()
        self.version = 0
        self.behind = False
        self._scene = Scene(())
        self._header: Header | None = None
        self._topo: Json = topo.bare(self.picture)

    def progress(self, node: int, done: int, total: int) -> None:
        """Do nothing: the stations of a scene have no bars."""

    def delta(self, now: float, everything: bool = False) -> Delta | None:
        """Return what changed since the last call, None when nothing did."""
        del now, everything
        self._state.take_changes()
        before, scene = self._scene, scene_of(self._state) or Scene(())
        self._scene = scene
        picture = scene.picture
        renewed = picture != self.picture or not self.version
        if renewed:
            self.picture, self._topo = picture, topo.place(picture)
            self.version += 1
        rows = self._rows() if renewed else self._rows(before)
        asks = None if scene.questions == before.questions and self._header else self._asks()
        panels = None if scene.panels == before.panels and self._header else self._panels()
        header = Header.of(self._state, any(question.state == OPEN for question in scene.questions))
        run = None if header == self._header else header.to_message()
        self._header = header
        if not (renewed or rows or run) and asks is None and panels is None:
            return None
        laid, drawn = (self._topo, self.picture) if renewed else (None, None)
        return Delta(self.version, self._codes, rows, run, asks, laid, drawn, panels)

    def full(self) -> Delta:
        """Return everything as of the last ``delta``, for a view that is new."""
        header = self._header or Header.of(self._state, False)
        run, asks, panels = header.to_message(), self._asks(), self._panels()
        return Delta(self.version, self._codes, self._rows(), run, asks, self._topo, self.picture, panels)

    def keep(self, version: int, placed: Json) -> bool:
        """Keep a topo that was laid out elsewhere; return False when the scene has changed since."""
        if version == self.version:
            self._topo = placed
        return version == self.version

    def detail(self, place: int) -> Json:
        """Return what the details of a station say beside those of its call."""
        if not 0 <= place < len(self._scene.stations):
            return {}
        station = self._scene.stations[place]
        found: Json = {"facts": dict(station.facts), "story": list(station.story)}
        return found | ({"error": station.error} if station.error else {})

    @property
    def _codes(self) -> str:
        return "".join([station.row.code for station in self._scene.stations])

    def _rows(self, before: Scene | None = None) -> dict[str, list[Any]]:
        old = [] if before is None else [station.row for station in before.stations]
        return {
            str(place): station.row.to_message()
            for place, station in enumerate(self._scene.stations)
            if place >= len(old) or old[place] != station.row
        }

    def _asks(self) -> list[Json]:
        return [question.to_message() for question in self._scene.questions]

    def _panels(self) -> list[Json]:
        return [panel.to_message() for panel in self._scene.panels]

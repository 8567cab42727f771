"""How a run looks: its state as a snapshot, and a snapshot as messages, tables, pictures and text.

No engine, no widget. ``Snapshot.of(state, now)`` is for pictures that stay, ``Feed(state)`` for views that live.
"""

from .detail import detail_of
from .dot import to_dot
from .feed import Delta, Feed
from .html import to_bundle, to_html
from .picture import Picture
from .questions import Question
from .snapshot import Snapshot
from .svg import to_svg
from .table import to_dataframe
from .text import to_text
from .topo import place

__all__ = [
    "Delta",
    "Feed",
    "Picture",
    "Question",
    "Snapshot",
    "detail_of",
    "place",
    "to_bundle",
    "to_dataframe",
    "to_dot",
    "to_html",
    "to_svg",
    "to_text",
]

"""How a run looks: its state as a snapshot, and a snapshot as messages, tables, pictures and text.

No engine, no widget. ``Snapshot.of(state, now)`` is for pictures that stay, ``Feed(state)`` for views that live. Each
name is loaded when it is first used: a run that nobody looks at needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import on_first_use

if TYPE_CHECKING:
    from .detail import detail_of as detail_of
    from .diff import told as told
    from .dot import to_dot as to_dot
    from .feed import Delta as Delta
    from .feed import Feed as Feed
    from .flow import why as why
    from .html import to_bundle as to_bundle
    from .html import to_html as to_html
    from .machine import Description as Description
    from .machine import describe as describe
    from .machine import machine_view as machine_view
    from .picture import Picture as Picture
    from .questions import Question as Question
    from .snapshot import Snapshot as Snapshot
    from .svg import to_svg as to_svg
    from .table import to_dataframe as to_dataframe
    from .text import to_text as to_text
    from .topo import place as place

_HOMES = {
    "Delta": ".feed",
    "Description": ".machine",
    "Feed": ".feed",
    "Picture": ".picture",
    "Question": ".questions",
    "Snapshot": ".snapshot",
    "describe": ".machine",
    "detail_of": ".detail",
    "machine_view": ".machine",
    "place": ".topo",
    "to_bundle": ".html",
    "to_dataframe": ".table",
    "to_dot": ".dot",
    "to_html": ".html",
    "to_svg": ".svg",
    "to_text": ".text",
    "told": ".diff",
    "why": ".flow",
}

__all__ = [*_HOMES]

__getattr__, __dir__ = on_first_use(__name__, _HOMES)

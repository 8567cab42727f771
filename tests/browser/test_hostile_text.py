"""Text that tries to become code, in everything that nbflow draws: a canary in a real browser would sing, and does not.

The canary sings by a line in the console of any frame, by a request to its own host, and by a dialog. The first test
lets it sing, so that the silence of the others means something.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scenes
from board_page import BoardPage, wires
from harness import Harness
from playwright.sync_api import Browser, Page, Route

import nbflow as nf
from nbflow.notebook.dashboard import dashboard
from nbflow.views import to_bundle, to_html, to_svg
from tests import figures
from tests.engine.tools import until
from tests.views.hostile import hostile_snapshot

pytestmark = pytest.mark.browser

SONG = "CANARY-SINGS"
LOG = f"console.log(`{SONG}`)"
HOST = "canary.test"
ZOO = (
    f"<script>{LOG}</script>",
    f"<img src=x onerror={LOG}>",
    f"\"'><img src=x onerror='{LOG}'>",
    f"<svg onload={LOG}>",
    f"</text></svg><svg onload='{LOG}'><script>{LOG}</script>",
    f"]]></style></title></textarea></script><script>{LOG}</script>",
    f"<![CDATA[<script>{LOG}</script>]]>",
    f"<svg><foreignObject><body xmlns='http://www.w3.org/1999/xhtml' onload='{LOG}'/></foreignObject></svg>",
    f"<svg><animate onbegin='{LOG}' attributeName=x dur=1s>",
    f"<svg><use href='data:image/svg+xml,<svg id=x xmlns=\"http://www.w3.org/2000/svg\" onload=\"{LOG}\"/>#x'/></svg>",
    f"<iframe srcdoc='<script>{LOG}</script>'></iframe>",
    f"<iframe src='javascript:{LOG}'></iframe>",
    f"<details open ontoggle='{LOG}'><summary>x</summary></details>",
    f"<input autofocus onfocus='{LOG}'>",
    f"<math><a xlink:href='javascript:{LOG}'>x</a></math>",
    f"<object data='http://{HOST}/o'></object><embed src='http://{HOST}/e'>",
    f"<link rel=stylesheet href='//{HOST}/c'><style>@import '//{HOST}/i'; * {{background: url(//{HOST}/b)}}</style>",
    f"<meta http-equiv=refresh content='0;url=http://{HOST}/m'><base href='http://{HOST}/'>",
    f"[a](javascript:{LOG}) ![a](http://{HOST}/p.png) [b](x\" onerror=\"{LOG}) [c](data:text/html,<script>{LOG})",
    f"<javascript:{LOG}> [a]: javascript:{LOG}\n[a][a] `` </code><script>{LOG}</script>",
    f"{{{{constructor.constructor('{LOG}')()}}}} ${{{LOG}}} <%= {LOG} %>",
    f"\\\"-{LOG}-\\\" '-{LOG}-' `-{LOG}-` \u2028{LOG}\u2029",
    f"+ADw-script+AD4-{LOG}+ADw-/script+AD4-",
    f"url(http://{HOST}/u) expression({LOG}) ;background:url(http://{HOST}/v);",
)  # fmt: skip

BROOD = (
    "script, iframe, object, embed, foreignObject, link, meta[http-equiv], base, img:not([src^='data:image/svg+xml;'])"
)
"""What none of the texts may have brought forth; nbflow's own pictures are images, in which no script runs."""


class Cage:
    """Listens to a page and to all frames in it."""

    def __init__(self, page: Page) -> None:
        self.songs: list[str] = []
        page.on("console", lambda said: self.songs.append(said.text) if said.text == SONG else None)
        page.on("dialog", lambda box: (self.songs.append("a dialog"), box.dismiss()))
        page.route(f"**://{HOST}/**", self._asked)  # what a policy blocks does not come here

    def _asked(self, route: Route) -> None:
        self.songs.append(route.request.url)
        route.abort()


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    """Give a page of its own, of which nobody serves anything but what the test puts there."""
    context = browser.new_context()
    page = context.new_page()
    page.route("**/*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    yield page
    context.close()


def settle(page: Page) -> None:
    """Return when what a page has begun is done: two frames, a timer, and what it asked for."""
    page.wait_for_load_state()
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(done), 20)))")


def test_the_canary_would_sing(blank: Page) -> None:
    blank.goto("http://view.test/")
    cage = Cage(blank)
    blank.set_content("".join(f"<div>{text}</div>" for text in ZOO[:6]))
    settle(blank)
    blank.set_content(f"<img src=http://{HOST}/p.png>")
    settle(blank)
    assert any(SONG in song for song in cage.songs) and any(HOST in song for song in cage.songs)


@pytest.mark.parametrize("form", ["html", "bundle", "svg", "svg-in-html"])
def test_a_still_picture_holds_its_tongue(form: str, blank: Page) -> None:
    shown = {"now": ("", "")}
    blank.route("**/*", lambda route: route.fulfill(body=shown["now"][0], content_type=shown["now"][1]))
    cage = Cage(blank)
    for n, text in enumerate(ZOO):
        snapshot = hostile_snapshot(text)
        html = to_bundle(snapshot)["text/html"] if form == "bundle" else to_html(snapshot)
        drawn = to_svg(snapshot) if form.startswith("svg") else html
        shown["now"] = (drawn, "image/svg+xml" if form == "svg" else "text/html; charset=utf-8")
        blank.goto(f"http://view.test/{n}")
        settle(blank)
        assert cage.songs == [], text
        assert blank.evaluate("brood => document.querySelectorAll(brood).length", BROOD) == 0
    figures.count("bad inputs", len(ZOO))


def poisoned(text: str) -> dict[str, Any]:
    """Return the scene of a run that waits, in which all that a user may name is a text."""
    field = {"title": text, "description": text, "enum": [text, "b"], "default": text}
    long = {"format": "textarea", "default": text}
    schema = {"type": "object", "required": [text], "properties": {text: field, "long": long}}
    options = [{"value": text, "label": text, "kind": kind} for kind in ("", "reject")]
    scene = scenes.waiting(
        subject=text, body=f"{text} **{text}**\n- {text}", schema=schema, assigned=[text], fallback=text,
        options=options, due=time.time() + 99, show={"text/html": text, "text/plain": text},
    )  # fmt: skip
    scene["run"] |= {"name": text, "id": text, "failed": text}
    scene["topo"]["nodes"][0] |= {"label": text, "short": text}
    scene["rows"]["0"][5] = text
    answer = {"subject": text, "by": text, "answer": text, "comment": text, "values": {text: text}}
    scene["asks"].append(scenes.decided("2", **answer))
    return scene


def test_the_widget_holds_its_tongue(browser: Browser) -> None:
    view = Harness(browser, poisoned("nothing"))
    cage = Cage(view.page)
    for n, text in enumerate(ZOO):
        scene = poisoned(text)
        scene["asks"][0]["id"] = f"q{n}"
        view.push(**scene)
        view.find(".nd").first.click()
        detail = {
            "error": {"type": text, "message": text, "traceback": text}, "value": text, "log": text,
            "story": [text, {"at": 1, "text": text}], "facts": {text: text}, "code": text, "diff": text,
            "failures": [{"label": text, "message": text}], "attempts": [{"error": text}],
        }  # fmt: skip
        view.message(t="detail", i=0, d=detail)
        view.message(t="note", text=text)
        settle(view.page)
        assert cage.songs == [], text
        assert view.find("script, object, embed").count() == 0, text
    view.close()
    figures.count("bad inputs", len(ZOO))


class Shown:
    """A value whose rich forms are all hostile."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_html_(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Path]:
    """Give the folder of the storage that this process uses too."""
    nf.shutdown()
    nf.init(storage=tmp_path / "runs", durability="lazy")
    yield tmp_path / "runs"
    nf.shutdown()


def asking(text: str) -> nf.Run:
    """Return a run that asks, with everything hostile that can be."""
    ask = nf.wait_for_event(
        nf.ButtonListener, text, message=text, options=["approve", text], assigned_to=text, show=Shown(text)
    )
    join = nf.task(lambda answer: answer, name=text)
    run = nf.run_async(join.bind(ask), workflow_id=text[:250])
    until(lambda: run.questions)
    return run


def test_the_page_behind_a_link_holds_its_tongue(browser: Browser, storage: Path) -> None:
    endpoint = nf.serve()
    context = browser.new_context()
    page = context.new_page()
    cage = Cage(page)
    for text in ZOO:
        run = asking(text)
        page.goto(endpoint.link(run, run.questions[0], by=text))
        page.get_by_role("heading").first.wait_for()
        settle(page)
        assert cage.songs == [], text
        assert page.evaluate("document.scripts.length") == 1, text
        run.cancel()
    context.close()
    figures.count("bad inputs", len(ZOO))


def test_the_dashboard_holds_its_tongue(browser: Browser, storage: Path) -> None:
    for text in ZOO[::3]:
        asking(text)
    with wires() as wired:
        board = dashboard()
        page = BoardPage(browser, wired, board)
        cage = Cage(page.page)
        page.until(lambda: page.find(".rrow").count() >= len(ZOO[::3]), "all runs", patience=60)
        for n in range(len(ZOO[::3])):
            page.find(".rrow").nth(n).click()
            page.pump()
            settle(page.page)
            assert cage.songs == []
        page.until(lambda: page.find(".opened .nd").count(), "a graph")
        assert page.find("script, object, embed").count() == 0
        page.close()
        board.close()
    figures.count("bad inputs", len(ZOO[::3]))

"""The routes of the endpoint: who asks is checked first, then the body, then the site is asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from tornado import httputil, web

from . import key, page, post
from .guard import Bucket, Buckets, Guard
from .replies import SEND_AGAIN, Refused, Reply, refusal
from .site import Site

DRAIN = 16 * post.LARGEST
"""Bytes of a body that is too large that are read and thrown away: a client that sends reads no answer."""

_log = logging.getLogger("nbflow")
_WAIT = {"Retry-After": "1"}


class Doorman:
    """What the handlers of one endpoint share: the site, the token, and who may ask how often."""

    def __init__(self, site: Site, token: str, guard: Guard, rate: float) -> None:
        self.site = site
        self.token = token
        self.guard = guard
        self.all = Bucket(rate, max(rate, 1.0))
        self.strangers = Buckets(rate=1.0, burst=20.0)
        self.answers = Buckets(rate=1.0, burst=10.0)


def checked(method: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Answer who was refused, and let nobody else wait: a refusal is sent when the body has been read.

    To close a connection with unread bytes in it would reset it, and the client might never see why.
    """

    @wraps(method)
    async def call(handler: Base, *args: str) -> None:
        try:
            if handler.refused is not None:
                raise handler.refused
            await method(handler, *args)
        except Refused as no:
            handler.say(no.reply)

    return call


@web.stream_request_body
class Base(web.RequestHandler):
    """A route. Who asks is checked before the body is read; it answers in JSON."""

    opens_page = False

    def initialize(self, doorman: Doorman) -> None:
        """Take what all handlers share."""
        self.doorman = doorman
        self.site = doorman.site
        self.refused: Refused | None = None
        self.content = bytearray()
        self._size = 0

    def set_default_headers(self) -> None:
        """Let nothing be kept, guessed or told to others."""
        for name, text in HEADERS.items():
            self.set_header(name, text)

    async def prepare(self) -> None:
        """Check who asks; only a body that is much too large is refused before it has been read."""
        try:
            self._check()
        except Refused as no:
            self.refused = no
        size = self.request.headers.get("Content-Length", "")
        if size.isdecimal() and int(size) > DRAIN:
            self.say(post.too_large())

    def _check(self) -> None:
        foreign = self.doorman.guard.check(self.request.headers, self.opens_page and self.request.method == "GET")
        if foreign is not None:
            raise Refused(foreign)
        self.admit()
        if not self.doorman.all.take():
            raise Refused(refusal(429, "Too many requests.", SEND_AGAIN, _WAIT))
        if self.request.method == "POST":
            headers = self.request.headers
            post.check_type(headers.get("Content-Type", ""), headers.get("Content-Encoding", ""))

    def admit(self) -> None:
        """Raise Refused when this request may not be made."""

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body, as far as it may be large."""
        self._size += len(chunk)
        if self._size <= post.LARGEST and self.refused is None:
            self.content += chunk
        elif self._size > DRAIN and not self._finished:
            self.say(post.too_large())

    def body(self) -> bytes:
        """Return the body. Raises Refused when it is too large."""
        post.check_size(self._size)
        return bytes(self.content)

    def say(self, reply: Reply) -> None:
        """Send a reply."""
        self.set_status(reply.status)
        for name, text in reply.headers.items():
            self.set_header(name, text)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(reply.body)

    def write_error(self, status_code: int, **_: Any) -> None:
        """Send an error of tornado's own as JSON; who may not ask is told no more than that."""
        if self.refused is not None:
            self.say(self.refused.reply)
            return
        what = {400: "The request cannot be read.", 404: "There is nothing here.", 405: "Another method is needed."}
        do = "POST an event to /event/send_event/<workflow_id>." if status_code in (404, 405) else "Mend the request."
        self.say(refusal(status_code, what.get(status_code, "The request failed."), do))

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        """Log what is a fault of ours, without the URL: that of a link is a key."""
        if not isinstance(value, web.HTTPError):
            _log.error("an HTTP request failed", exc_info=(kind, value, trace), extra={"action": "http"})


HEADERS = {
    "Server": "nbflow",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class SendEvent(Base):
    """``POST /event/send_event/<workflow_id>``."""

    def admit(self) -> None:
        """Raise Refused without the token of the storage."""
        kind, _, given = self.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and key.same(given.strip(), self.doorman.token):
            return
        if not self.doorman.strangers.take(self.request.remote_ip or ""):
            raise Refused(refusal(429, "Too many requests without the token.", "Send the token.", _WAIT))
        do = "Send 'Authorization: Bearer <token>' with the token that nbflow.serve().token gives."
        raise Refused(refusal(401, "The token is missing or wrong.", do, {"WWW-Authenticate": "Bearer"}))

    @checked
    async def post(self, workflow_id: str) -> None:
        """Give an event to a run."""
        self.say(await self.site.send(workflow_id, self.body(), self.get_query_argument("wait", "")))


class Page(Base):
    """``GET /q/<link>``: the page of one question."""

    opens_page = True

    @checked
    async def get(self, link: str) -> None:
        """Send the page; what it shows it asks for itself."""
        await send_page(self, self.site, link)


class State(Base):
    """``GET /q/<link>/state``: the question of a link."""

    @checked
    async def get(self, link: str) -> None:
        """Send the question, with its decision when it has one."""
        self.say(await self.site.look(link))


class Answer(Base):
    """``POST /q/<link>/answer``: the answer to the question of a link."""

    def admit(self) -> None:
        """Raise Refused when somebody answers again and again."""
        if not self.doorman.answers.take(self.request.path):
            raise Refused(refusal(429, "Too many answers at once.", "Wait a moment.", _WAIT))

    @checked
    async def post(self, link: str) -> None:
        """Give an answer to the run."""
        self.say(await self.site.answer(link, self.body()))


class Asset(Base):
    """``GET /page.js`` and ``/page.css``."""

    @checked
    async def get(self, kind: str) -> None:
        """Send the script or the style of the page."""
        await send_asset(self, kind)


class Nothing(Base):
    """Every other path."""

    @checked
    async def _nothing(self, *_: str) -> None:
        self.write_error(404)

    get = post = put = patch = delete = head = options = _nothing


async def send_page(handler: web.RequestHandler, site: Site, link: str, xsrf: str = "") -> None:
    """Send the page of a link, or one that says why there is none."""
    handler.set_header("Content-Security-Policy", page.POLICY)
    handler.set_header("Content-Type", "text/html; charset=utf-8")
    try:
        site.open(link)
    except Refused as no:
        handler.set_status(no.reply.status)
        handler.finish(page.words_only(no.reply.body["error"], no.reply.body["do"], "../"))
        return
    handler.finish(await asyncio.to_thread(page.page, link, "../", xsrf))


async def send_asset(handler: web.RequestHandler, kind: str) -> None:
    """Send the script or the style of the page; its URL has its version, so that it may be kept."""
    text = await asyncio.to_thread(page.script if kind == "js" else page.style)
    handler.set_header("Content-Type", f"text/{'javascript' if kind == 'js' else 'css'}; charset=utf-8")
    handler.set_header("Cache-Control", "private, max-age=86400")
    handler.finish(text)


LINK = r"/q/([A-Za-z0-9_.-]+)"
EVENT = r"/event/send_event/([^/]+)"


def application(doorman: Doorman) -> web.Application:
    """Return the routes of an endpoint."""
    given = {"doorman": doorman}
    routes = [
        (EVENT, SendEvent, given), (LINK, Page, given), (f"{LINK}/state", State, given),
        (f"{LINK}/answer", Answer, given), (r"/page\.(js|css)", Asset, given),
    ]  # fmt: skip
    return web.Application(routes, default_handler_class=Nothing, default_handler_args=given, log_function=_say_little)


def _say_little(handler: web.RequestHandler) -> None:
    request: httputil.HTTPServerRequest = handler.request
    what = type(handler).__name__
    _log.debug("http %s %s: %s", request.method, what, handler.get_status(), extra={"action": "http"})

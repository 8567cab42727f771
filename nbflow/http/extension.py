"""The routes of the endpoint in a Jupyter server, below ``<base_url>nbflow/`` and behind its login.

Events and answers go to the inbox of the storage, so a kernel may be busy or dead. The storage is the trait
``storage`` of ``Nbflow`` (``c.Nbflow.storage = "/data/runs"``), else ``NBFLOW_STORAGE``, else ``.nbflow`` in the folder
that the server shows.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web
from traitlets import Unicode
from traitlets.config import LoggingConfigurable

from ..home import open_storage
from ..storage.base import Storage
from ..storage.folder import FolderStorage
from . import key, page, post
from .handlers import EVENT, HEADERS, LINK, send_asset, send_page
from .replies import Refused, Reply, refusal
from .site import Site


class Nbflow(LoggingConfigurable):
    """What the extension can be told."""

    storage = Unicode("", help="The folder of the runs; else NBFLOW_STORAGE, else .nbflow in the server's folder.").tag(
        config=True
    )

    def folder(self, root: str) -> str:
        """Return the storage folder of a server that shows ``root``, or the URL of an object store."""
        chosen = self.storage or os.environ.get("NBFLOW_STORAGE") or ".nbflow"
        return chosen if "://" in chosen else os.path.join(os.path.expanduser(root), chosen)


class Sites:
    """The site of one storage folder, made when that is there: looking makes none."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._known: tuple[str, Site] | None = None
        self._far: Storage | None = None

    def get(self) -> Site:
        """Return the site. Raises StorageError."""
        storage = self._storage()
        token = key.known_token(storage) or ""
        if self._known is None or self._known[0] != token:
            # without a token nobody has made a link, so none is ours
            self._known = (token, Site(storage, token or secrets.token_urlsafe(32)))
        return self._known[1]

    def _storage(self) -> Storage:
        if "://" not in self.folder:
            return FolderStorage(self.folder)
        if self._far is None:
            self._far = open_storage(self.folder)
        return self._far


class Base(JupyterHandler):
    """A route behind the server's login."""

    auth_resource = "nbflow"
    pages = False

    def initialize(self, sites: Sites) -> None:
        """Take the site."""
        self.sites = sites

    @property
    def content_security_policy(self) -> str:
        """What a browser may do with an answer."""
        return page.POLICY if self.pages else HEADERS["Content-Security-Policy"]

    async def prepare(self, **_: Any) -> None:
        """Refuse who is not logged in; a person who opens a page is sent to the login."""
        await super().prepare(_redirect_to_login=self.pages)
        if self.current_user is None and not self.pages and not self._finished:
            self.say(refusal(403, "You are not logged in.", "Send the token of the Jupyter server."))

    def site(self) -> Site:
        """Return the site."""
        return self.sites.get()

    def body(self) -> bytes:
        """Return the body. Raises Refused when it is no JSON or too large."""
        headers = self.request.headers
        post.check_type(headers.get("Content-Type", ""), headers.get("Content-Encoding", ""))
        post.check_size(len(self.request.body))
        return self.request.body

    def person(self) -> str:
        """Return who is logged in, '' for an anonymous user with the token."""
        name = str(getattr(self.current_user, "display_name", "") or "")
        return "" if name.startswith("Anonymous ") else name

    def say(self, reply: Reply) -> None:
        """Send a reply."""
        self.set_status(reply.status)
        for name, text in {**HEADERS, **reply.headers}.items():
            if name not in ("Server", "Content-Security-Policy"):
                self.set_header(name, text)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(reply.body)

    async def hand_in(self, give: Callable[[Site, Any], Awaitable[Reply]]) -> None:
        """Give the body of the request to a run, and say what became of it."""
        try:
            body = self.body()
        except Refused as no:
            self.say(no.reply)
            return
        self.say(await give(await asyncio.to_thread(self.site), body))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send an error as JSON."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        said = getattr(error, "log_message", None) or getattr(error, "reason", None) or "The request failed."
        self.say(refusal(status_code, str(said), "Log in, or send the token of the Jupyter server."))


class SendEvent(Base):
    """``POST nbflow/event/send_event/<workflow_id>``."""

    @authorized
    async def post(self, workflow_id: str) -> None:
        """Give an event to a run."""
        wait, person = self.get_query_argument("wait", ""), self.person()
        await self.hand_in(lambda site, body: site.send(workflow_id, body, wait, person, "jupyter"))


class Page(Base):
    """``GET nbflow/q/<link>``: the page of one question."""

    pages = True

    @web.authenticated
    @authorized
    async def get(self, link: str) -> None:
        """Send the page."""
        await send_page(self, await asyncio.to_thread(self.site), link, self.xsrf_token.decode("ascii"))


class State(Base):
    """``GET nbflow/q/<link>/state``."""

    @authorized
    async def get(self, link: str) -> None:
        """Send the question, with its decision when it has one."""
        reply = await (await asyncio.to_thread(self.site)).look(link)
        if reply.ok and not reply.body["by"]:
            reply.body["by"] = self.person()
        self.say(reply)


class Answer(Base):
    """``POST nbflow/q/<link>/answer``."""

    @authorized
    async def post(self, link: str) -> None:
        """Give an answer to the run, in the name of who is logged in."""
        person = self.person()
        await self.hand_in(lambda site, body: site.answer(link, body, person, "jupyter"))


class Asset(Base):
    """``GET nbflow/page.js`` and ``nbflow/page.css``."""

    @authorized
    async def get(self, kind: str) -> None:
        """Send the script or the style of the page."""
        await send_asset(self, kind)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "nbflow.http.extension"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    given = {"sites": Sites(Nbflow(parent=serverapp).folder(serverapp.root_dir))}
    base = url_path_join(serverapp.base_url, "nbflow")
    routes = [
        (EVENT, SendEvent), (LINK, Page), (f"{LINK}/state", State), (f"{LINK}/answer", Answer),
        (r"/page\.(js|css)", Asset),
    ]  # fmt: skip
    handlers = [(base + path, handler, given) for path, handler in routes]
    serverapp.web_app.add_handlers(".*$", handlers)
    serverapp.log.info(f"nbflow takes events and answers at {base}/, for the runs in {given['sites'].folder}")

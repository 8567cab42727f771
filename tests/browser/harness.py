"""The front end in a real browser, on a page that has the model interface of anywidget and no Jupyter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route

from nbflow.notebook.live import assets

ORIGIN = "http://view.test"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Harness:
    """One page with one model and any number of views of it."""

    def __init__(
        self, browser: Browser, state: dict[str, Any], width: int = 1000, dark: bool = False, **options: Any
    ) -> None:
        self.context = browser.new_context(viewport={"width": width + 40, "height": 900}, **options)
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.page.route("**/*", self._serve)
        self.page.goto(f"{ORIGIN}/")
        self.page.wait_for_function("window.ready")
        self.page.evaluate("dark => set_theme(dark)", dark)
        self.state = {"topo": {}, "st": "", "rows": {}, "run": {}, "asks": [], **state}
        self.open()

    def _serve(self, route: Route) -> None:
        url = route.request.url
        self.asked.append(url)
        if url == f"{ORIGIN}/":
            route.fulfill(body=Path(__file__).with_name("harness.html").read_text(), content_type="text/html")
        elif url == f"{ORIGIN}/view.js":
            route.fulfill(body=assets.script(), content_type="text/javascript")
        elif url == f"{ORIGIN}/view.css":
            route.fulfill(body=assets.style(), content_type="text/css")
        else:
            route.abort()

    def open(self) -> None:
        """Open one more view of the model."""
        self.page.evaluate("state => { open_view(state) }", self.state)
        self.frame()

    def push(self, **traits: Any) -> None:
        """Change traits as one message from the kernel does."""
        self.page.evaluate("traits => model.update(traits)", traits)
        self.frame()

    def message(self, **message: Any) -> None:
        """Send a custom message from the kernel."""
        self.page.evaluate("message => model.message(message)", message)
        self.frame()

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a kind that the kernel got."""
        return [message for message in self.page.evaluate("model.sent") if message["t"] == kind]

    def frame(self) -> None:
        """Wait until what is due was drawn."""
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def find(self, selector: str, view: int = 0) -> Locator:
        """Return what a selector finds in one of the views."""
        return self.page.locator(".nbf").nth(view).locator(selector)

    def errors(self) -> list[str]:
        """Return what went wrong in the page, and what it asked a network for."""
        foreign = [url for url in self.asked if not url.startswith(f"{ORIGIN}/") and not url.startswith("data:")]
        return self.page.evaluate("errors") + foreign

    def close(self) -> None:
        """Close the page."""
        self.context.close()

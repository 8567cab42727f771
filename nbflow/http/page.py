"""The page behind a link: a frame with nothing in it, its script and its style, and what a browser lets it do."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path

from .. import door

HERE = Path(__file__).parent

POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "connect-src 'self'", "style-src 'self' 'unsafe-inline'",
    "img-src data:", "font-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
))  # fmt: skip
"""What the page may do: run its own script, ask its own endpoint, and show pictures that came with the question."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<meta name="xsrf" content="{xsrf}">
<title>A question</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{base}page.css?v={version}">
<script type="module" src="{base}page.js?v={version}"></script>
</head>
<body>
<main id="page" data-link="{link}"><p class="plain" role="status">Loading…</p></main>
<noscript><p class="plain">This page needs JavaScript to take your answer.</p></noscript>
</body>
</html>
"""
_WORDS = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{base}page.css">
</head>
<body><main id="page"><h1>{title}</h1><p class="plain">{text}</p></main></body>
</html>
"""


def page(link: str, base: str, xsrf: str = "") -> str:
    """Return the page of a link; ``base`` is the path of the endpoint, which ends in a slash."""
    return _PAGE.format(link=escape(link), base=escape(base), xsrf=escape(xsrf), version=_version())


def words_only(title: str, text: str, base: str) -> str:
    """Return a page that only says something."""
    return _WORDS.format(title=escape(title), text=escape(text), base=escape(base))


@cache
def script() -> str:
    """Return the script of the page: that of the notebook's questions, and what puts one of them on a page."""
    own = (HERE / "js" / "page.js").read_text(encoding="utf-8")
    return f"{door.questions()[0]}\n{own.partition('// ---- from here on ----')[2]}"


@cache
def style() -> str:
    """Return the style of the page."""
    return f"{door.questions()[1]}\n{(HERE / 'css' / 'page.css').read_text(encoding='utf-8')}"


@cache
def _version() -> str:
    return sha256(f"{script()}{style()}".encode()).hexdigest()[:12]

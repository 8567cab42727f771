"""What a person is shown beside a question: every rich form that a cell can show, in the same words."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from IPython.display import HTML, SVG, Image

from nbflow.engine.show import LIMIT, bundle

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def shown(value: Any) -> dict[str, str]:
    found = bundle(value)
    assert found is not None
    return found


def test_a_picture_of_ipython_is_a_picture() -> None:
    assert base64.b64decode(shown(Image(PNG))["image/png"]) == PNG
    assert base64.b64decode(shown(Image(PNG, width=20))["image/png"]) == PNG
    assert shown(SVG("<svg xmlns='http://www.w3.org/2000/svg'/>"))["image/svg+xml"].startswith("<svg")
    assert shown(HTML("<b>x</b>"))["text/html"] == "<b>x</b>"


def test_what_only_has_a_bundle_is_shown_by_it() -> None:
    class Chart:
        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
            return {"text/html": "<b>chart</b>", "image/png": PNG, "application/vnd.x+json": {}}, {"width": 3}

    found = shown(Chart())
    assert found["text/html"] == "<b>chart</b>" and base64.b64decode(found["image/png"]) == PNG
    assert set(found) == {"text/plain", "text/html", "image/png"}


@pytest.mark.parametrize("picture", [b"x" * (LIMIT + 1), "no base64!", 7, None])
def test_what_is_no_picture_or_too_large_is_left_out(picture: Any) -> None:
    class Odd:
        def _repr_png_(self) -> Any:
            return picture

    assert set(shown(Odd())) == {"text/plain"}

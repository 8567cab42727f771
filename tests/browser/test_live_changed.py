"""A result that other code made: a badge on its node, and the lines that went and came in its details."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import scenes
from harness import Harness
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CHANGE = {
    "what": "This result was made by other code.",
    "diff": " def clean(orders):\n     frame = orders.merge(CUSTOMERS)\n-    frame['age'] = 2025 - frame.born\n"
    "+    frame['age'] = YEAR - frame.born\n     return frame\n...\n-WINDOW = 30\n+WINDOW = 28\n+YEAR = 2026",
}


def changed() -> dict[str, Any]:
    """Return the churn run with two results of earlier code, and a stack with twelve of them."""
    message = scenes.scene("sscssssss" + "ssss", "done")
    for i, count in ((2, 1), (4, 12), (7, 1)):
        message["rows"][str(i)] += [count]
        message["rows"][str(i)][5] = "changed since it ran" if count == 1 else "12 changed since"
    return message


def opened(page: Callable[..., Harness], **options: Any) -> Harness:
    view = page(changed(), reduced_motion="reduce", **options)
    view.find(".nd").nth(2).click()
    detail = {"function": "clean", "facts": {"Node": "clean"}, "value": "48 210 rows × 31 columns", "change": CHANGE}
    view.message(t="detail", i=2, d=detail)
    return view


def test_changed_nodes_have_a_badge_and_say_so(page: Callable[..., Harness]) -> None:
    view = opened(page)
    assert view.find(".nd.changed").count() == 3
    assert view.find(".nd .chg").locator("visible=true").count() == 3
    label = view.find(".nd").nth(2).get_attribute("aria-label")
    assert label is not None and label.startswith("clean: ") and label.endswith(", changed since it ran")
    message = changed()
    view.push(rows={"2": message["rows"]["2"][:7]})
    assert view.find(".nd.changed").count() == 2
    expect(view.find(".nd").nth(2)).not_to_have_attribute("aria-label", label)


def test_the_details_show_the_lines_that_went_and_came_as_text(page: Callable[..., Harness]) -> None:
    view = opened(page)
    section = view.find("[data-part=change]")
    expect(section.get_by_role("heading")).to_have_text("Changed since it ran")
    expect(section.locator("p")).to_have_text(CHANGE["what"])
    assert section.locator(".went").all_text_contents() == ["-    frame['age'] = 2025 - frame.born", "-WINDOW = 30"]
    assert section.locator(".came").count() == 3 and section.locator(".gap").count() == 1
    view.message(t="detail", i=2, d={"change": {"what": "its code", "diff": "+<img src=x onerror=alert(1)>"}})
    assert view.find(".drawer img").count() == 0

"""Take the pictures of the README: the quickstart in JupyterLab while its question is open, a machine, and a flow.

python tests/browser/take_pictures.py
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from playwright.sync_api import FloatRect, Locator, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness import FLAGS, Harness
from jupyter_pages import Notebook
from jupyter_servers import ROOT, running

import nbflow as nf
from nbflow.rules import Flow, PythonOperator, TaskAction
from nbflow.views.scene_feed import feed_of
from tests.conftest import find_browser

PICTURES = {"JupyterLab Light": "live-view.png", "JupyterLab Dark": "live-view-dark.png"}
RUN = "run = nf.run_async("
QUESTION = "Publish this model?"
SCALE, ROUND = 2, 10  # pixels of the picture for one of the page; the radius of the view's corners


def save(picture: bytes, path: Path) -> None:
    """Save a picture with clear corners."""
    image = Image.open(io.BytesIO(picture)).convert("RGBA")
    corners = Image.new("L", image.size, 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, *(side - 1 for side in image.size)), ROUND * SCALE, 255)
    image.putalpha(corners)
    image.save(path, optimize=True)
    print(path.relative_to(ROOT), f"{path.stat().st_size / 1000:.0f} kB", image.size)


def inside(view: Locator) -> FloatRect:
    """Return the box of a view in whole pixels of the picture, so that nothing around it is in there."""
    box = view.bounding_box()
    assert box is not None
    x, y = round(box["x"] * SCALE), round(box["y"] * SCALE)
    right, bottom = round((box["x"] + box["width"]) * SCALE), round((box["y"] + box["height"]) * SCALE)
    return {"x": x / SCALE, "y": y / SCALE, "width": (right - x) / SCALE, "height": (bottom - y) / SCALE}


def main() -> None:
    """Run the quickstart up to its question, and take a picture of the view in both themes."""
    folder = ROOT / "notebooks" / "images"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, running("jupyterlab", Path(place)) as server, sync_playwright() as p:
        path = Path(shutil.copy(ROOT / "notebooks" / "01-quickstart.ipynb", server.work))
        browser = p.chromium.launch(executable_path=find_browser(), args=FLAGS)
        view_port = {"width": 1380, "height": 1400}
        book = Notebook(browser, server, path, viewport=view_port, device_scale_factor=SCALE)
        book.open()
        book.page.keyboard.press("Control+b")  # the file browser away
        book.menu("Edit", "Clear Outputs of All Cells")
        book.run_all()
        cells = book.page.locator(".jp-Notebook .jp-CodeCell").filter(has_text=RUN)
        cells.first.scroll_into_view_if_needed()
        view = cells.first.locator(".nbf")
        expect(view.get_by_role("heading", name=QUESTION)).to_be_visible(timeout=120_000)
        view.get_by_role("button", name=re.compile("whole")).click()
        for theme, name in PICTURES.items():
            book.theme(theme)
            expect(view).to_have_attribute("data-theme", theme.split()[-1].lower())
            expect(view.frame_locator("iframe").get_by_text("boosted trees")).to_be_visible()
            view.evaluate("view => view.scrollIntoView({ block: 'center' })")
            book.page.mouse.move(0, 0)
            book.page.wait_for_timeout(1000)  # colours fade over
            save(book.page.screenshot(animations="disabled", clip=inside(view)), folder / name)
        book.close()


def order() -> nf.Run:
    """Return a run of the README's kind of state machine, after its quantity was changed once."""
    workflow = nf.Workflow("ProcessOrder", on_error="set_aside")

    @workflow.start()
    async def start(ctx: Any, order_id: str) -> Any:
        return ctx.next.wait(timeout=timedelta(hours=24), on_timeout=auto_approve)

    @workflow.event()
    async def change_quantity(ctx: Any, quantity: int) -> Any:
        if quantity > 100:
            raise ValueError("we have only 100")
        return ctx.next.wait(timeout=timedelta(hours=24), on_timeout=auto_approve)

    @workflow.event()
    async def approve(ctx: Any) -> Any:
        return ctx.next.step(fulfill)

    @workflow.step()
    async def auto_approve(ctx: Any) -> Any:
        return ctx.next.step(fulfill)

    @workflow.step()
    async def fulfill(ctx: Any) -> Any:
        return ctx.next.complete("sent")

    run = nf.start_workflow(workflow, workflow_id="order-abc", workflow_input={"order_id": "abc"}).settle()
    for quantity in (5, 500):
        run.send("change_quantity", {"quantity": quantity}, by="ann")
        run.settle()
    return run


def stream() -> nf.Run:
    """Return a run of a flow that trains on every batch and serves the newest model."""
    with Flow("stream", stay_open=True) as flow:
        ingest = PythonOperator("ingest", lambda: time.sleep(0.1))
        train = PythonOperator("train", lambda: time.sleep(0.2))
        serve = PythonOperator("serve", lambda: time.sleep(600))
        train.action_on_event_received(TaskAction.START, "batch")
        serve.start_after([ingest, train])
        serve.action_on_event_received(TaskAction.RESTART, "model")
        serve.action_on_event_received(TaskAction.STOP, "halt")
    run = flow.run_async(workflow_id="stream-1")
    for key, value, task in (("batch", 1, "serve#1"), ("model", "v2", "serve#2")):
        run.send(key, value)
        while task not in run.state.index:
            time.sleep(0.05)
    return run


def fronts(folder: Path) -> None:
    """Take a picture of a machine and of a flow in both themes, from runs as they are."""
    with tempfile.TemporaryDirectory() as place, sync_playwright() as p:
        nf.init(storage=place)
        browser = p.chromium.launch(executable_path=find_browser(), args=FLAGS)
        for name, run in (("state-machine", order()), ("flow", stream())):
            feed = feed_of(run.state)
            feed.delta(time.time(), everything=True)
            full = feed.full()
            state = {part: getattr(full, part) for part in ("topo", "st", "rows", "run", "asks", "panels")}
            for dark in (False, True):
                view = Harness(browser, state, width=960, dark=dark, device_scale_factor=SCALE)
                view.page.wait_for_timeout(1000)  # what rises has risen
                shot = view.find("xpath=self::*").screenshot(animations="disabled")
                save(shot, folder / f"{name}{'-dark' * dark}.png")
                view.close()
            run.cancel()
        nf.shutdown()


if __name__ == "__main__":
    main()
    fronts(ROOT / "notebooks" / "images")

"""nbflow in a real JupyterLab: what a person sees, clicks, fills in, stops, kills and comes back to."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable

import psutil
import pytest
from jupyter_pages import Notebook, write_notebook
from jupyter_servers import ROOT, Server
from jupyter_stories import RELEASE, VIEWS, play_release, play_reopening
from playwright.sync_api import expect

from nbflow.core.codec import decode
from nbflow.core.records import EventReceived
from nbflow.engine.inspect import read
from nbflow.storage.folder import FolderStorage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Open = Callable[..., Notebook]
FRONT_END = "jupyterlab"


def test_a_blocking_run_asks_outlives_kill_9_and_asks_again(open_notebook: Open, server: Server) -> None:
    play_release(open_notebook(write_notebook(server.work / "release", "release", RELEASE)))


MOVES = """
window.moves = [];
const see = () => {
  const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')];
  const busy = cells.findIndex((cell) => cell.querySelector('.jp-InputPrompt')?.textContent === '[*]:');
  const view = document.querySelector('.jp-Notebook .nbf');
  if (!view) return;
  const states = [...view.querySelectorAll('g[data-s]')].map((node) => node.dataset.s).join('');
  const done = +view.querySelector('[role=progressbar]').getAttribute('aria-valuenow');
  const move = { busy, states, done };
  if (JSON.stringify(move) !== JSON.stringify(moves.at(-1))) moves.push(move);
};
new MutationObserver(see).observe(document.body, { subtree: true, childList: true, attributes: true });
"""


def test_the_quickstart_moves_before_ones_eyes_and_ends_with_its_table(open_notebook: Open, server: Server) -> None:
    path = server.work / "quickstart" / "01-quickstart.ipynb"
    path.parent.mkdir()
    shutil.copy(ROOT / "notebooks" / path.name, path)
    code = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    sources = ["".join(cell["source"]) for cell in code]
    waits = sources.index("run.result()")
    book = open_notebook(path)
    book.menu("Edit", "Clear Outputs of All Cells")
    book.page.evaluate(MOVES)
    book.run_all()
    book.running(waits)
    book.cell(waits - 1).scroll_into_view_if_needed()
    question = book.question(waits - 1, "Publish this model?")
    expect(question.locator("iframe")).to_be_visible(timeout=90_000)
    expect(question.frame_locator("iframe").get_by_text("boosted trees")).to_be_visible()
    book.running(waits)
    question.get_by_role("button", name="Approve").click()
    book.wait_until_run(len(code) - 1, 60_000)
    seen = [move for move in book.page.evaluate("moves") if move["busy"] == waits]
    assert len({move["done"] for move in seen}) > 5, "the bar stood still"
    assert any("r" in move["states"] for move in seen) and any("w" in move["states"] for move in seen)
    assert len({move["states"] for move in seen}) > 10, "the graph stood still"
    assert book.run_order() == list(range(1, len(code) + 1))
    table = next(i for i, cell in enumerate(code) if "final-table" in cell["metadata"].get("tags", []))
    expect(book.output(table).get_by_role("row", name="boosted trees")).to_contain_text("66%")
    expect(book.view(waits - 1).locator(".pill").first).to_have_text("Done")
    expect(book.page.locator('[data-mime-type="application/vnd.jupyter.error"]')).to_have_count(0)
    assert not book.problems, "\n".join(book.problems)


WAYS = [
    """
    import ipywidgets
    slider, seen = ipywidgets.IntSlider(), ipywidgets.Label()
    slider.observe(lambda change: setattr(seen, "value", f"it is {change['new']}"), "value")

    @nf.task
    def said(*decisions):
        return [str(decision) for decision in decisions]

    def ask(*titles):
        return said.bind(*(nf.wait_for_event(nf.ButtonListener, title) for title in titles))

    ipywidgets.VBox([slider, seen])
    """,
    "print(await nf.run_async(ask('Awaited?')))",
    "background = nf.run_async(ask('Behind a busy cell?', 'Behind no cell?'))\nbackground",
    "nf.run(ask('Blocked?'), workflow_id='stopped')",
    "print(nf.get_status('stopped'), background.result())",
]


def test_every_way_to_wait_takes_clicks_and_stop_loses_nothing(open_notebook: Open, server: Server) -> None:
    book = open_notebook(write_notebook(server.work / "ways", "ways", WAYS))

    def slide(value: int) -> None:
        book.output(1).locator(".noUi-handle").press("ArrowRight")
        expect(book.output(1).get_by_text(f"it is {value}")).to_be_visible()

    book.run_all()
    awaited = book.question(2, "Awaited?")
    expect(awaited).to_be_visible()
    slide(1)
    slide(2)
    awaited.get_by_role("button", name="Reject").click()
    expect(book.output(2)).to_contain_text("['reject']")
    expect(book.question(4, "Blocked?")).to_be_visible()
    book.running(4)
    book.question(3, "Behind a busy cell?").get_by_role("button", name="Approve").click()
    expect(book.view(3).locator(".decided")).to_contain_text("Approved")
    slide(3)

    book.interrupt()
    expect(book.output(4)).to_contain_text("Run 'stopped' was stopped and nothing is lost; go on with")
    book.view(4).scroll_into_view_if_needed()
    expect(book.view(4).locator(".pill").first).to_have_text("Stopped, can be resumed")
    book.wait_until_run(4)
    book.question(3, "Behind no cell?").get_by_role("button", name="Approve").click()
    expect(book.view(3).locator(".pill").first).to_have_text("Done")
    slide(4)
    book.run_cell(5)
    expect(book.output(5)).to_have_text("RESUMABLE ['approve', 'approve']")
    assert book.run_order() == [1, 2, 3, 4, 5, 6]
    assert not book.problems, "\n".join(book.problems)


def test_all_views_of_a_run_show_the_one_decision(open_notebook: Open, server: Server) -> None:
    book = open_notebook(write_notebook(server.work / "views", "views", VIEWS))
    book.run_all()
    expect(book.question(2, "First?")).to_be_visible()
    book.question(1, "First?").get_by_role("button", name="Approve").dblclick()
    for cell in (1, 2):
        expect(book.view(cell).locator(".decided").filter(has_text="First?")).to_contain_text("Approved")
        expect(book.question(cell, "First?")).to_have_count(0)
    book.page.evaluate(
        """() => {
          const [one, other] = document.querySelectorAll('.jp-Notebook .nbf');
          one.querySelector('[data-option=reject]').click();
          other.querySelector('[data-option=approve]').click();
        }"""
    )
    for cell in (1, 2):
        expect(book.view(cell).locator(".decided").filter(has_text="Second?")).to_contain_text("Rejected")
    expect(book.view(2).locator(".late")).to_contain_text("decided already")
    storage = FolderStorage(str(book.path.parent / ".nbflow"))
    events = [record for wire in storage.read_run("views") if isinstance(record := decode(wire), EventReceived)]
    assert [event.key for event in events] == ["first", "second"]
    assert not book.problems, "\n".join(book.problems)


def test_a_saved_notebook_shows_the_last_state_without_its_kernel(open_notebook: Open, server: Server) -> None:
    book = open_notebook(write_notebook(server.work / "saved", "saved", VIEWS))
    book = play_reopening(book, open_notebook)
    expect(book.output(1).get_by_text("model not found")).to_be_hidden()


def test_the_view_follows_the_theme_of_the_page(open_notebook: Open, server: Server) -> None:
    book = open_notebook(write_notebook(server.work / "themes", "themes", VIEWS[:1]))
    book.run_all()
    expect(book.question(1, "First?")).to_be_visible()
    light = background(book)
    assert min(light) > 240
    book.theme("JupyterLab Dark")
    expect(book.view(1)).to_have_attribute("data-theme", "dark")
    assert max(background(book)) < 60
    book.theme("JupyterLab Light")
    expect(book.view(1)).to_have_attribute("data-theme", "light")
    assert background(book) == light


def background(book: Notebook) -> list[int]:
    """Return the red, green and blue behind the view of the second cell."""
    colour = book.view(1).evaluate("view => getComputedStyle(view).backgroundColor")
    return [int(part) for part in re.findall(r"\d+", colour)[:3]]


PRINTS = [
    """
    import time

    @nf.task
    def thread():
        while not Path("go").exists():
            time.sleep(0.02)
        print("from a thread")

    @nf.task
    async def coroutine(_):
        print("from a coroutine")

    @nf.task(executor="process")
    def process(_):
        print("from a process")

    run = nf.run_async(process.bind(coroutine.bind(thread.bind())))
    """,
    "Path('go').touch(); run.result(); print('from the cell')",
    "print('from the last cell')",
]


def test_what_tasks_print_stands_under_the_cell_that_started_the_run(open_notebook: Open, server: Server) -> None:
    book = open_notebook(write_notebook(server.work / "prints", "prints", PRINTS))
    book.run_all()
    book.wait_until_run(3)
    for said in ("from a thread", "from a coroutine", "from a process"):
        expect(book.output(1)).to_contain_text(said)
        expect(book.output(2)).not_to_contain_text(said)
    expect(book.output(2)).to_contain_text("from the cell")
    expect(book.output(3)).to_have_text("from the last cell")


MANY = [
    """
    import asyncio

    @nf.task
    async def step(before, wait):
        await asyncio.sleep(wait)
        return before

    ends = []
    for chain in range(50):
        end = None
        for _ in range(10):
            end = step.bind(end, 0.4 + chain / 500)
        ends.append(end)
    """,
    "run = nf.run_async(ends, workflow_id='many')\nrun",
    "result = run.result()",
]
FRAMES = """seconds => new Promise((done) => {
  let frames = 0;
  let first = 0;
  const frame = (now) => {
    first ||= now;
    if (now - first < seconds * 1000) frames += 1;
    else return done(frames / seconds);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""


def test_a_thousand_changes_in_five_seconds_leave_the_page_fluid(open_notebook: Open, server: Server) -> None:
    book = open_notebook(write_notebook(server.work / "many", "many", MANY))
    book.run_cell(0)
    book.run_cell(1)
    book.wait_until_run(1)
    quiet = book.page.evaluate(FRAMES, 3)
    kernel = psutil.Process(book.kernel_pid)
    before = sum(kernel.cpu_times()[:2])
    book.run_cell(2)
    book.run_cell(3)
    book.running(3)
    book.view(2).scroll_into_view_if_needed()
    book.view(2).get_by_role("tab", name="Graph").click()
    book.view(2).get_by_role("button", name="Draw it anyway").click()
    busy = book.page.evaluate(FRAMES, 3)
    book.wait_until_run(3)
    spent = sum(kernel.cpu_times()[:2]) - before
    expect(book.view(2).locator(".pill").first).to_have_text("Done")
    state = read(FolderStorage(str(book.path.parent / ".nbflow")), "many")
    took = state.ended - state.started
    print(
        f"frames a second: {quiet:.1f} without a view, {busy:.1f} with it; "
        f"{2 * len(state.nodes)} changes in {took:.1f} s took {spent:.2f} s of the kernel: {spent / took:.2f} of a core"
    )
    assert busy > quiet / 4, "the view makes the page stutter"
    assert spent / took < 0.8, "the kernel is kept busy"


FRONTS = [
    """
    import time
    from datetime import timedelta

    from nbflow.rules import Flow, PythonOperator, TaskAction

    order = nf.Workflow("Order", on_error="set_aside")

    @order.start()
    async def start(ctx, quantity: int = 1):
        ctx.store.put("quantity", quantity)
        return ctx.next.wait(timeout=timedelta(hours=24), on_timeout=fulfill)

    @order.event()
    async def change_quantity(ctx, quantity: int):
        if quantity > 100:
            raise ValueError("we have only 100")
        ctx.store.put("quantity", quantity)
        return ctx.next.wait(timeout=timedelta(hours=24), on_timeout=fulfill)

    @order.event()
    async def approve(ctx):
        return ctx.next.step(fulfill)

    @order.step()
    async def fulfill(ctx):
        return ctx.next.complete(await ctx.store.get("quantity"))

    def serve():
        time.sleep(600)

    with Flow("stream", stay_open=True) as flow:
        server = PythonOperator("serve", serve)
        server.action_on_event_received(TaskAction.RESTART, "model")
    """,
    "machine = nf.start_workflow(order, workflow_id='order-1')\nmachine",
    "print(machine.result())",
    "stream = flow.run_async(workflow_id='stream-1')\nstream",
    "stream.send('model', 2); time.sleep(0.1); stream.cancel()",
]


def test_a_machine_and_a_flow_are_steered_by_hand(open_notebook: Open, server: Server) -> None:
    book = open_notebook(write_notebook(server.work / "fronts", "fronts", FRONTS))
    for cell in range(3):
        book.run_cell(cell)
    machine = book.view(2)
    expect(machine.locator('.nd[aria-label^="wait:"]')).to_be_visible()
    book.run_cell(3)  # it blocks, and all that follows is clicked meanwhile
    change = book.question(2, "Change quantity")
    change.get_by_label("Quantity").press_sequentially("500")
    change.get_by_role("button", name="Change quantity").click()
    aside = machine.locator(".panel").filter(has_text="Set aside")
    expect(aside).to_contain_text("we have only 100")
    aside.get_by_role("button", name="Edit and send again").click()
    aside.locator("textarea").fill('{"quantity": 5}')
    aside.locator(".editor .btn.pri").click()
    expect(aside).to_have_count(0)
    # an answer to the question of before does not count: the next one must be open
    expect(machine.locator('.nd[aria-label^="change_quantity:"]')).to_contain_text("Done")
    expect(machine.locator('.nd[aria-label^="wait:"]')).to_contain_text("Needs you")
    book.running(3)
    book.question(2, "Approve").get_by_role("button", name="Approve").click()
    book.wait_until_run(3)
    expect(book.output(3)).to_have_text("5")
    expect(machine.locator(".pill").first).to_have_text("Done")

    book.run_cell(4)
    stream = book.view(4)
    tasks = stream.locator(".panel").filter(has_text="Tasks")
    tasks.get_by_role("button", name="Stop: serve").click()
    expect(tasks).to_contain_text("stopped")
    tasks.get_by_role("button", name="Start: serve", exact=True).click()
    expect(tasks.get_by_role("row", name="serve")).to_contain_text("2")
    book.run_cell(5)
    expect(stream.locator(".panel").filter(has_text="Events")).to_contain_text("model")
    expect(stream.locator(".pill").first).to_have_text("Canceled")
    assert not book.problems, "\n".join(book.problems)

"""Notebooks, and what happens to a person in them: told once, played in every front end."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_pages import Notebook
from playwright.sync_api import expect

RELEASE = [
    """
    from dataclasses import dataclass
    from typing import Annotated

    @dataclass
    class Rollout:
        owner: str
        percent: Annotated[int, range(1, 101)]

    @nf.task
    def train():
        with open("trained", "a") as file:
            file.write("trained once\\n")
        return "model 7"

    @nf.task
    def rollout(model, plan):
        with open("planned", "a") as file:
            file.write(f"{plan['owner']} {plan['percent']}\\n")
        return plan["owner"], plan["percent"]

    @nf.task
    def publish(plan, decision):
        return f"{plan[0]} gives it to {plan[1]}%: {decision}"

    plan = rollout.bind(train.bind(), nf.wait_for_event(nf.FormListener, "Who gets it?", Rollout))
    dag = publish.bind(plan, nf.wait_for_event(nf.ButtonListener, "Publish?", message="After **lunch**.", show=plan))
    order = []
    """,
    "result = nf.run(dag, workflow_id='release'); order.append('run')",
    "order.append('behind it')",
    "order.append('last'); print(order, result)",
]


def play_release(book: Notebook) -> None:
    """Fill a form wrongly and rightly while the cell blocks, lose the kernel to kill -9, come back, answer, and end."""
    folder = book.path.parent
    book.run_all()
    form = book.question(2, "Who gets it?")
    form.get_by_label("Owner").press_sequentially("ana")
    form.get_by_label("Percent").press_sequentially("250")
    form.get_by_role("button", name="Submit").click()
    expect(form.locator(".fld").filter(has_text="Percent").locator(".err")).to_have_text("Must be from 1 to 100")
    book.running(2)
    form.get_by_label("Percent").fill("")
    form.get_by_label("Percent").press_sequentially("25")
    form.get_by_role("button", name="Submit").click()
    expect(book.question(2, "Publish?")).to_contain_text("After lunch.")
    book.running(2)
    assert (folder / "planned").read_text() == "ana 25\n"

    book.kill_kernel()
    book.restart_and_run_all()
    book.running(4)
    book.wait_until_run(1)
    again = book.question(2, "Publish?")
    expect(again).to_contain_text("After lunch.")
    expect(book.view(2).locator(".decided")).to_contain_text("Who gets it?")
    again.get_by_role("button", name="Approve").click()
    book.wait_until_run(4)
    expect(book.output(4)).to_have_text("['run', 'behind it', 'last'] ana gives it to 25%: approve")
    assert book.run_order() == [1, 2, 3, 4, 5]
    assert (folder / "trained").read_text() == "trained once\n", "a finished task ran again"
    assert (folder / "planned").read_text() == "ana 25\n", "a question that was answered was asked again"
    assert not book.problems, "\n".join(book.problems)


VIEWS = [
    """
    @nf.task
    def publish(first, second):
        return first, second

    questions = [nf.wait_for_event(nf.ButtonListener, title) for title in ("First?", "Second?")]
    run = nf.run_async(publish.bind(*questions), workflow_id="views")
    run
    """,
    "run",
]


def play_reopening(book: Notebook, open_notebook: Callable[..., Notebook]) -> Notebook:
    """Answer one of two questions, save, stop the kernel, and open the file again; return that page."""
    book.run_all()
    book.question(1, "First?").get_by_role("button", name="Approve").click()
    still = book.output(1).locator(".nbf-still")
    expect(still.locator("li").filter(has_text="First?")).to_contain_text("Approve")
    expect(still).to_be_hidden()
    book.save()
    book.close()
    book.server.stop_kernels()

    again = open_notebook(book.path)
    output = again.output(1)
    expect(output.locator(".nbf-still")).to_be_visible()
    expect(output.get_by_role("listitem").filter(has_text="First?")).to_contain_text("Approve")
    expect(output.get_by_role("listitem").filter(has_text="Second?")).to_contain_text("Open")
    expect(output.get_by_role("img")).to_be_visible()
    expect(again.view(1)).to_have_count(0)
    return again

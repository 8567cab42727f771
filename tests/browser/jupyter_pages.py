"""A notebook in JupyterLab or Notebook 7 as a person has it before them: its cells, its menus, its kernel."""

from __future__ import annotations

import os
import re
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import nbformat
from jupyter_servers import TOKEN, Server
from playwright.sync_api import Browser, Error, Locator, Page, expect

SOON = 20_000  # milliseconds that anything may take on a busy machine
expect.set_options(timeout=SOON)
RUN_ID = re.compile(r"\[(\d+)\]:")
PATHS = {"jupyterlab": "/lab/workspaces/{fresh}/tree/", "notebook": "/notebooks/", "voila": "/voila/render/"}
FIRST_CELL = """
import os
from pathlib import Path
Path("{name}.pid").write_text(str(os.getpid()))
import nbflow as nf
"""


def write_notebook(folder: Path, name: str, cells: Sequence[str]) -> Path:
    """Write a notebook of code cells; before them stands one that leaves the kernel's process id in ``<name>.pid``."""
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    sources = [FIRST_CELL.format(name=name), *cells]
    notebook.cells = [nbformat.v4.new_code_cell(dedent(source).strip()) for source in sources]
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


class Notebook:
    """One page with one notebook. ``cell(0)`` is its first code cell."""

    def __init__(self, browser: Browser, server: Server, path: Path, **options: Any) -> None:
        self.server, self.path = server, path
        options = {"viewport": {"width": 1300, "height": 1400}, **options}
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(SOON)
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", self._problem)

    def _problem(self, error: Error) -> None:
        if "blob:" in (error.stack or ""):  # a widget's script; pages have errors of their own, as when a kernel dies
            self.problems.append(f"{error.message}\n{error.stack}")

    def open(self) -> None:
        """Go to the page, and return when its kernel is ready; Voila has run all cells then."""
        folder = PATHS[self.server.app].format(fresh=uuid.uuid4().hex)  # else Lab opens what was open before, too
        place = self.path.relative_to(self.server.work).as_posix()
        self.page.goto(f"{self.server.url}{folder}{place}?token={TOKEN}")
        if self.server.app != "voila":
            self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
            self.wait_for_kernel()

    # ---- the kernel ----

    def wait_for_kernel(self, status: str = "idle") -> None:
        """Return when the page says that its kernel is idle (or else); before it has one it says idle too."""
        expect(self.page.locator(".jp-Toolbar-kernelName").first).to_contain_text("Python 3")
        expect(self.page.locator(".jp-Notebook-ExecutionIndicator").first).to_have_attribute("data-status", status)

    def menu(self, title: str, entry: str) -> None:
        """Choose an entry of the menu."""
        self.page.get_by_role("menuitem", name=title, exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()

    def run_all(self) -> None:
        """Run all cells."""
        self.menu("Run", "Run All Cells")

    def restart_and_run_all(self) -> None:
        """Restart the kernel and run all cells."""
        self.menu("Kernel", "Restart Kernel and Run All Cells…")
        self.accept("Restart")

    def interrupt(self) -> None:
        """Press Stop."""
        self.menu("Kernel", "Interrupt Kernel")

    @property
    def kernel_pid(self) -> int:
        """The process id of the kernel that has run the first cell."""
        return int(self.path.with_suffix(".pid").read_text())

    def kill_kernel(self) -> None:
        """Kill the kernel's process as a power cut does, read what the page says of that, and wait for the new one."""
        os.kill(self.kernel_pid, signal.SIGKILL)
        self.accept("Ok")
        self.wait_for_kernel()  # the server starts one: who restarts it in that moment has none in the end

    def theme(self, name: str) -> None:
        """Choose how the page looks."""
        self.page.get_by_role("menuitem", name="Settings", exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text("Theme", exact=True).hover()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(name, exact=True).click()

    def accept(self, button: str) -> None:
        """Press a button of the dialog that stands open, or comes."""
        self.page.locator(".jp-Dialog button").get_by_text(button, exact=True).click()
        expect(self.page.locator(".jp-Dialog")).to_have_count(0)

    # ---- the cells ----

    def cell(self, index: int) -> Locator:
        """Return a code cell."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)

    def run_cell(self, index: int) -> None:
        """Run one cell."""
        self.cell(index).locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Control+Enter")

    def output(self, index: int) -> Locator:
        """Return the output area of a code cell."""
        return self.cell(index).locator(".jp-OutputArea").first

    def wait_until_run(self, index: int, timeout: float = SOON) -> None:
        """Return when a cell has been run to its end, well or badly."""
        expect(self.cell(index).locator(".jp-InputPrompt")).to_have_text(RUN_ID, timeout=timeout)

    def running(self, index: int) -> None:
        """Check that a cell runs or waits for its turn."""
        expect(self.cell(index).locator(".jp-InputPrompt")).to_have_text("[*]:")

    def run_order(self) -> list[int]:
        """Return the number in front of each code cell, 0 for one that was not run."""
        prompts = self.page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").all_text_contents()
        return [int(found.group(1)) if (found := RUN_ID.search(prompt)) else 0 for prompt in prompts]

    def save(self) -> None:
        """Save the notebook."""
        self.menu("File", "Save Notebook")
        self.page.wait_for_selector(".jp-mod-dirty", state="detached")

    # ---- the views ----

    def view(self, index: int) -> Locator:
        """Return the live view in the output of a cell."""
        return self.output(index).locator(".nbf")

    def question(self, index: int, title: str) -> Locator:
        """Return the open question of this title in the view of a cell."""
        return self.view(index).locator("form.ask").filter(has=self.page.get_by_role("heading", name=title, exact=True))

    def close(self) -> None:
        """Close the page."""
        self.context.close()


@contextmanager
def notebooks(
    browser: Browser, server: Server, failures: Callable[[], int], shots: Path
) -> Iterator[Callable[..., Notebook]]:
    """Give what opens notebooks; each failure leaves a picture of every page. At the end the kernels are stopped."""
    opened: list[Notebook] = []
    before = failures()

    def open_notebook(path: Path, **options: Any) -> Notebook:
        notebook = Notebook(browser, server, path, **options)
        opened.append(notebook)
        notebook.open()
        return notebook

    try:
        yield open_notebook
        if failures() > before:
            for number, notebook in enumerate(opened):
                picture = shots / f"{notebook.path.stem}-{number}.png"
                notebook.page.screenshot(path=picture, full_page=True)
                print(f"the page when the test failed: {picture}")
    finally:
        for notebook in opened:
            notebook.close()
        server.stop_kernels()

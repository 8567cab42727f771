"""Who could answer is told right for every client, and a view tells that somebody is looking."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from kernels import OWN_LINE, ROOT, Kernel
from nbclient import NotebookClient

from nbflow.notebook.frontend import FrontEnd, Presence, front_end

ASK = "from nbflow.notebook.frontend import front_end; print(front_end().value)"


def test_a_client_that_allows_stdin_is_a_notebook(kernel: Kernel) -> None:
    assert kernel.run(ASK, allow_stdin=True) == "notebook"


def test_a_client_that_does_not_is_headless(kernel: Kernel) -> None:
    assert kernel.run(ASK, allow_stdin=False) == "headless"


def test_a_click_means_that_somebody_is_there(kernel: Kernel) -> None:
    comm_id = kernel.run(
        "import ipywidgets; button = ipywidgets.Button(); clicked = []\n"
        "from nbflow.notebook.frontend import front_end\n"
        "button.on_click(lambda _: clicked.append(front_end().value)); print(button.comm.comm_id)",
        allow_stdin=False,
    )
    click = kernel.click(comm_id)
    kernel.until(lambda: kernel.is_idle(click), "the click handled")
    assert kernel.run("print(*clicked)") == "notebook"


@pytest.mark.parametrize(("allowed", "expected"), [(True, "notebook"), (False, "headless")])
def test_a_thread_knows_the_front_end_of_its_cell(kernel: Kernel, allowed: bool, expected: str) -> None:
    cell = (
        "import concurrent.futures; from nbflow.notebook import comms; from nbflow.notebook.frontend import front_end\n"
        "workers = concurrent.futures.ThreadPoolExecutor()\n"
        "print(workers.submit(front_end).result().value, "
        "workers.submit(comms.capture_parent().run, front_end).result().value)"
    )
    assert kernel.run(cell, allow_stdin=allowed).split() == [expected, expected]


@pytest.mark.slow
def test_voila_is_told_by_its_server(tmp_path: Path) -> None:
    running = Kernel(OWN_LINE, tmp_path, SERVER_SOFTWARE="voila/0.5.8")
    try:
        assert running.run(ASK, allow_stdin=False) == "voila"
    finally:
        running.stop()


def write_notebook(path: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, path)
    return path


@pytest.mark.slow
def test_nbclient_is_headless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(write_notebook(tmp_path / "n.ipynb", ASK), as_version=4)
    NotebookClient(notebook, kernel_name="python3").execute()
    assert notebook.cells[0].outputs[0].text == "headless\n"


@pytest.mark.slow
def test_nbval_is_told_from_other_headless_clients(tmp_path: Path) -> None:
    answer = tmp_path / "answer.txt"
    path = write_notebook(tmp_path / "n.ipynb", f"{ASK}; open({str(answer)!r}, 'w').write(front_end().value)")
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env", str(path)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert answer.read_text() == "nbval"


def in_script(**keywords: object) -> list[str]:
    environ = {name: text for name, text in os.environ.items() if name != "NBFLOW_FRONTEND"} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, timeout=60, check=True, **keywords)
    return done.stdout.split()


def test_a_script_without_a_terminal_is_a_pipe() -> None:
    assert in_script(stdin=subprocess.DEVNULL) == ["pipe"]


def test_a_script_at_a_terminal_can_ask_by_typing() -> None:
    pty = pytest.importorskip("pty", reason="Windows has no pseudo terminals")
    parent, child = pty.openpty()
    try:
        assert in_script(stdin=child) == ["terminal"]
    finally:
        os.close(parent)
        os.close(child)


def test_a_script_with_a_closed_stdin_is_a_pipe() -> None:
    assert in_script(stdin=subprocess.DEVNULL, preexec_fn=lambda: os.close(0)) == ["pipe"]


def test_the_environment_can_say_which_it_is() -> None:
    assert front_end({"NBFLOW_FRONTEND": "voila"}) is FrontEnd.VOILA
    with pytest.raises(ValueError, match="not a front end; set it to one of: notebook, voila, nbval, headless"):
        front_end({"NBFLOW_FRONTEND": "emacs"})


def test_what_a_person_can_do_at_each_front_end() -> None:
    able = {member: (member.can_click, member.can_type, member.shows_while_blocked) for member in FrontEnd}
    assert able == {
        FrontEnd.NOTEBOOK: (True, True, True),
        FrontEnd.VOILA: (True, False, False),
        FrontEnd.NBVAL: (False, False, True),
        FrontEnd.HEADLESS: (False, False, True),
        FrontEnd.TERMINAL: (False, True, True),
        FrontEnd.PIPE: (False, False, True),
    }
    assert {member for member in FrontEnd if member.has_person} == {
        FrontEnd.NOTEBOOK,
        FrontEnd.VOILA,
        FrontEnd.TERMINAL,
    }


def test_presence_follows_the_views_on_the_page() -> None:
    presence = Presence()
    assert (presence.anybody, presence.seen.done()) == (False, False)
    presence.mounted("left")
    presence.mounted("left")
    presence.mounted("right")
    presence.unmounted("left")
    presence.unmounted("never there")
    assert (presence.anybody, presence.seen.done()) == (True, True)
    presence.unmounted("right")
    assert (presence.anybody, presence.seen.done()) == (False, True)


def test_many_views_may_mount_at_once() -> None:
    presence = Presence()
    start = threading.Barrier(16)
    errors: list[BaseException] = []

    def mount(number: int) -> None:
        start.wait()
        try:
            presence.mounted(str(number))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=mount, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert presence.anybody

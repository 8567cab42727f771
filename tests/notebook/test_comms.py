"""Clicks get through to a waiting cell on every kernel, and nothing else is disturbed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from kernels import ROOT, Kernel

PRELUDE = """
import asyncio, concurrent.futures, threading, time, traceback
import ipywidgets
from IPython.display import display
from nbflow.notebook import comms

class Question:
    def __init__(self, act=None):
        self.future, self.button, self.threads = concurrent.futures.Future(), ipywidgets.Button(), []
        self.act = act or (lambda: self.future.set_result("yes"))
        self.button.on_click(self.clicked)
        self.comm_id = self.button.comm.comm_id
    def clicked(self, _):
        self.threads.append(threading.current_thread().name)
        self.act()

engine = asyncio.new_event_loop()
threading.Thread(target=engine.run_forever, daemon=True, name="engine").start()
q = Question()
"""
BLOCKING = "print('waiting', flush=True); print(comms.wait_sync(q.future))"
AWAITING = "print('waiting', flush=True); print(await comms.wait_async(q.future))"
NESTING = """
import nest_asyncio2; nest_asyncio2.apply(); print('waiting', flush=True)
print(asyncio.get_event_loop().run_until_complete(comms.wait_async(q.future)))"""
both_waits = pytest.mark.parametrize("wait", [BLOCKING, AWAITING], ids=["blocking", "awaiting"])


def ask(kernel: Kernel, name: str = "q", act: str = "None") -> str:
    """Make a question of this name in the kernel; return the comm id of its button."""
    if "Question" not in kernel.run("print('Question' if 'Question' in globals() else '')"):
        kernel.run(PRELUDE)
    return kernel.run(f"{name} = Question({act}); print({name}.comm_id)")


@both_waits
@pytest.mark.parametrize("route", ["main", "subshell"])
def test_click_ends_a_wait(kernel: Kernel, wait: str, route: str) -> None:
    button = ask(kernel)
    subshell = kernel.subshell() if route == "subshell" and kernel.major >= 7 else None
    cell = kernel.send(wait)
    kernel.wait_printed(cell, "waiting")
    clicked = time.monotonic()
    kernel.click(button, subshell)
    assert kernel.reply(cell)["status"] == "ok"
    assert time.monotonic() - clicked < 2
    assert kernel.printed(cell).split() == ["waiting", "yes"]


@both_waits
def test_a_click_in_a_wait_has_its_own_busy_and_idle(kernel: Kernel, wait: str) -> None:
    button = ask(kernel)
    cell = kernel.send(wait)
    kernel.wait_printed(cell, "waiting")
    click = kernel.click(button)
    kernel.reply(cell)
    assert kernel.statuses(cell, click) == [("busy", 0), ("busy", 1), ("idle", 1), ("busy", 0), ("idle", 0)]


@both_waits
def test_queued_cells_run_once_in_order_after_the_wait(kernel: Kernel, wait: str) -> None:
    button = ask(kernel)
    noise = ask(kernel, "noise", "lambda: log.append('click')")
    kernel.run("log = []")
    cells = [kernel.send(f"{wait}; log.append(0)")]
    kernel.wait_printed(cells[0], "waiting")
    for number in range(1, 6):
        cells.append(kernel.send(f"log.append({number})"))
        kernel.click(noise)
    kernel.click(button)
    counts = [kernel.reply(cell)["execution_count"] for cell in cells]
    assert counts == list(range(counts[0], counts[0] + 6))
    log = kernel.run("print(*log)").split()
    assert [entry for entry in log if entry != "click"] == ["0", "1", "2", "3", "4", "5"]
    assert log.count("click") == 5
    assert log.index("0") == 5, "the clicks came while the first cell was waiting"


def test_a_queued_cell_sees_the_context_variables_that_it_always_sees(kernel: Kernel) -> None:
    """From 7.1 on cells share one context, before that each has its own; the wait must not change which."""
    button = ask(kernel)
    kernel.run("import contextvars; variable = contextvars.ContextVar('variable', default=0); variable.set(1)")
    shared = kernel.run("print(variable.get())") == "1"
    cell = kernel.send(f"print('busy', flush=True); time.sleep(0.3); variable.set(2); {BLOCKING}")
    kernel.wait_printed(cell, "busy")
    queued = kernel.send("print(variable.get())")
    kernel.click(button)
    kernel.reply(queued)
    assert kernel.printed(queued) == ("2\n" if shared else "0\n")


@both_waits
def test_a_click_in_a_wait_does_not_fire_the_events_of_a_cell(kernel: Kernel, wait: str) -> None:
    button = ask(kernel)
    kernel.run("fired = []; events = get_ipython().events; note = lambda: fired.append(1)")
    kernel.run("events.register('pre_execute', note); events.register('post_execute', note)")
    cell = kernel.send(f"fired.clear(); {wait}; print(len(fired), 'fired')")
    kernel.wait_printed(cell, "waiting")
    kernel.click(button)
    kernel.reply(cell)
    kernel.run("events.unregister('pre_execute', note); events.unregister('post_execute', note)")
    assert kernel.printed(cell).endswith("0 fired\n")


@both_waits
def test_stop_ends_the_wait_soon_and_leaves_the_future(kernel: Kernel, wait: str) -> None:
    button = ask(kernel)
    cell = kernel.send(wait)
    kernel.wait_printed(cell, "waiting")
    stopped = time.monotonic()
    kernel.manager.interrupt_kernel()
    reply = kernel.reply(cell)
    assert time.monotonic() - stopped < 2, "within a second, on a machine that has the time"
    assert reply["status"] == "error"
    assert reply["ename"] in ("KeyboardInterrupt", "<class 'KeyboardInterrupt'>", "CancelledError")
    assert kernel.run("print(q.future.done())") == "False"
    kernel.click(button)  # the kernel's own way again
    assert kernel.run(wait).split() == ["waiting", "yes"]


def test_stop_in_the_middle_of_taking_messages_loses_no_cell(kernel: Kernel) -> None:
    ask(kernel)
    kernel.run("log = []; import signal; from nbflow.notebook.tap import Tap; take = Tap.take")
    cell = kernel.send(
        "def interrupted(tap, *message):\n"
        "    if threading.current_thread() is threading.main_thread(): signal.raise_signal(signal.SIGINT)\n"
        "    return take(tap, *message)\n"
        "print('busy', flush=True); time.sleep(0.3); Tap.take = interrupted; comms.wait_sync(q.future)"
    )
    kernel.wait_printed(cell, "busy")
    queued = [kernel.send(f"log.append({number}); Tap.take = take") for number in range(3)]
    assert kernel.reply(cell)["ename"] == "KeyboardInterrupt"
    assert [kernel.reply(other)["status"] for other in queued] == ["ok"] * 3
    assert kernel.run("print(*log)") == "0 1 2"


def test_timeout_raises_and_leaves_the_future(kernel: Kernel) -> None:
    button = ask(kernel)
    cell = """
        try:
            comms.wait_sync(q.future, timeout=0.1)
        except TimeoutError as error:
            print(error)
        print(q.future.done())
    """
    assert kernel.run(textwrap.dedent(cell)) == "not done after 0.1 s; it goes on, and can be waited for again\nFalse"
    kernel.click(button)
    assert kernel.run("print(comms.wait_sync(q.future, timeout=10))") == "yes"


@both_waits
@pytest.mark.parametrize("busy", ["time.sleep(0.5)", "await asyncio.sleep(0.5)"], ids=["after-work", "after-await"])
def test_messages_from_before_the_wait_come_first(kernel: Kernel, wait: str, busy: str) -> None:
    button = ask(kernel)
    slider = kernel.run(
        "slider, seen = ipywidgets.IntSlider(), []; slider.observe(lambda c: seen.append(c.new), 'value'); "
        "print(slider.comm.comm_id)"
    )
    cell = kernel.send(f"print('busy', flush=True); {busy}; {wait}")
    kernel.wait_printed(cell, "busy")
    kernel.change(slider, value=1)
    kernel.change(slider, value=2)
    kernel.wait_printed(cell, "waiting")
    kernel.change(slider, value=3)
    kernel.click(button)
    kernel.reply(cell)
    # Between 7.0 and 7.3 what came during an earlier await is a task of the kernel by now, which waits for the cell.
    out_of_reach = kernel.line in ("7.0", "7.3") and "await" in busy
    assert kernel.run("print(*seen)") == ("3 1 2" if out_of_reach else "1 2 3")


def test_a_storm_of_changes_over_many_waits_arrives_whole_and_in_order(kernel: Kernel) -> None:
    """Waits that begin and end all the time, with work between them: whoever gets a change, none is lost or late."""
    ask(kernel)
    slider = kernel.run(
        "slider, seen = ipywidgets.IntSlider(max=1000), []; slider.observe(lambda c: seen.append(c.new), 'value'); "
        "print(slider.comm.comm_id)"
    )
    cell = kernel.send(
        "print('waiting', flush=True)\n"
        "while slider.value < 300:\n"
        "    try: comms.wait_sync(q.future, timeout=0.002)\n"
        "    except TimeoutError: sum(range(10_000))"
    )
    kernel.wait_printed(cell, "waiting")
    for number in range(1, 301):
        kernel.change(slider, value=number)
    assert kernel.reply(cell)["status"] == "ok"
    assert kernel.run("print(seen == list(range(1, 301)), seen)").startswith("True")


def test_two_awaits_in_a_gather(kernel: Kernel) -> None:
    first, second = ask(kernel, "q1"), ask(kernel, "q2")
    wait = "print('waiting', flush=True); print(await asyncio.gather(*map(comms.wait_async, (q1.future, q2.future))))"
    cell = kernel.send(wait)
    kernel.wait_printed(cell, "waiting")
    kernel.click(second)
    kernel.click(first)
    assert kernel.reply(cell)["status"] == "ok"
    assert kernel.printed(cell) == "waiting\n['yes', 'yes']\n"


@both_waits
def test_a_blocking_wait_inside_a_callback_of_a_wait(kernel: Kernel, wait: str) -> None:
    inner = ask(kernel, "inner")
    act = "lambda: (print('inner waits', flush=True), q.future.set_result(comms.wait_sync(inner.future) + ', inside'))"
    outer = ask(kernel, "q", act)
    cell = kernel.send(wait)
    kernel.wait_printed(cell, "waiting")
    click = kernel.click(outer)
    kernel.until(lambda: "inner waits" in kernel.printed(click), "the callback of the outer button")
    kernel.click(inner)
    assert kernel.reply(cell)["status"] == "ok"
    assert kernel.printed(cell).split("\n")[1] == "yes, inside"


def test_a_blocking_wait_inside_an_async_cell(kernel: Kernel) -> None:
    first, second = ask(kernel, "q1"), ask(kernel, "q2")
    cell = kernel.send(
        "async def sync_inside():\n    print('waiting', flush=True)\n    return comms.wait_sync(q1.future)\n"
        "print(await asyncio.gather(comms.wait_async(q2.future), sync_inside()))"
    )
    kernel.wait_printed(cell, "waiting")
    kernel.click(second)
    kernel.click(first)
    assert kernel.reply(cell)["status"] == "ok"
    assert kernel.printed(cell) == "waiting\n['yes', 'yes']\n"


def test_a_wait_in_the_callback_of_an_idle_kernel(kernel: Kernel) -> None:
    inner = ask(kernel, "inner")
    act = "lambda: (print('inner waits', flush=True), q.future.set_result(comms.wait_sync(inner.future) + ', inside'))"
    outer_click = kernel.click(ask(kernel, "q", act))
    kernel.until(lambda: "inner waits" in kernel.printed(outer_click), "the callback of the outer button")
    inner_click = kernel.click(inner)
    kernel.until(lambda: kernel.is_idle(outer_click) and kernel.is_idle(inner_click), "both clicks handled")
    assert kernel.run("print(q.future.result(timeout=0))") == "yes, inside"


def test_a_background_task_that_awaits_does_not_leave_the_kernel_busy(kernel: Kernel) -> None:
    button = ask(kernel)
    kernel.run("fired = []; note = lambda: fired.append(1); get_ipython().events.register('post_execute', note)")
    cell = kernel.send("task = asyncio.get_running_loop().create_task(comms.wait_async(q.future))")
    kernel.reply(cell)
    click = kernel.click(button)
    kernel.until(lambda: kernel.is_idle(click), "the click handled")
    assert kernel.run("print(await task)") == "yes"
    assert kernel.statuses(cell, click) == [("busy", 0), ("idle", 0), ("busy", 1), ("idle", 1)]
    fired = kernel.run("get_ipython().events.unregister('post_execute', note); print(len(fired))")
    assert fired == "4", "after three cells and the click: an idle kernel handles it in its own way"


def test_a_background_task_that_blocks_does_not_leave_the_kernel_busy(kernel: Kernel) -> None:
    button = ask(kernel)
    kernel.run("def blocking(): print('waiting', flush=True); comms.wait_sync(q.future)")
    cell = kernel.send("asyncio.get_running_loop().call_later(0.2, blocking)")
    kernel.reply(cell)
    kernel.wait_printed(cell, "waiting")
    click = kernel.click(button)
    kernel.until(lambda: kernel.is_idle(click), "the click handled")
    assert kernel.run("print(q.future.done())") == "True"
    assert kernel.statuses(cell, click) == [("busy", 0), ("idle", 0), ("busy", 1), ("idle", 1)]


@both_waits
def test_an_error_in_a_callback_does_not_end_the_wait(kernel: Kernel, wait: str) -> None:
    faulty, button = ask(kernel, "faulty"), ask(kernel)
    kernel.run("faulty.button.comm.on_msg(lambda message: 1 / 0)")
    cell = kernel.send(wait)
    kernel.wait_printed(cell, "waiting")
    click = kernel.click(faulty)
    kernel.until(lambda: kernel.is_idle(click), "the faulty click handled")
    kernel.click(button)
    assert kernel.reply(cell)["status"] == "ok"
    assert kernel.printed(cell).split() == ["waiting", "yes"]


def test_an_owned_comm_answers_in_a_busy_cell_where_the_kernel_can(kernel: Kernel) -> None:
    button = ask(kernel)
    owner = kernel.send("print(comms.own([q.comm_id], engine.call_soon_threadsafe))")
    kernel.reply(owner)
    kernel.run("q.act = lambda: (print('by the owner', flush=True), q.future.set_result('yes'))")
    busy = kernel.send(
        "print('busy', flush=True); end = time.monotonic() + 2\n"
        "while not q.future.done() and time.monotonic() < end: time.sleep(0.05)\n"
        "print('answered' if q.future.done() else 'late')"
    )
    kernel.wait_printed(busy, "busy")
    click = kernel.click(button)
    kernel.reply(busy)
    kernel.until(lambda: kernel.is_idle(click), "the click handled")
    if kernel.major == 6:
        assert (kernel.printed(owner), kernel.printed(busy)) == ("False\n", "busy\nlate\n")
    else:
        assert kernel.printed(busy) == "busy\nanswered\n"
        assert kernel.printed(owner) == "True\nby the owner\n", "printed into the cell of the owner"
        assert kernel.run("print(*q.threads)") == "engine"
    kernel.run("comms.disown([q.comm_id, 'unknown'])")
    kernel.run("q.act = lambda: None")
    click = kernel.click(button)
    kernel.until(lambda: kernel.is_idle(click), "the click of a disowned button")
    assert kernel.run("print(q.threads[-1])") != "engine"


@pytest.mark.parametrize("owned", [False, True], ids=["waiting", "owned"])
def test_the_echo_of_a_change_answers_that_change(kernel: Kernel, owned: bool) -> None:
    """Else the front end takes the echo for an old one, and drops all later ones of the same trait."""
    button = ask(kernel)
    text = kernel.run("text = ipywidgets.Text(); print(text.comm.comm_id)")
    if owned:
        kernel.run("comms.own([text.comm.comm_id], engine.call_soon_threadsafe)")
    cell = kernel.send(BLOCKING)
    kernel.wait_printed(cell, "waiting")
    change = kernel.change(text, value="hello")
    kernel.until(lambda: kernel.is_idle(change), "the change handled")
    assert [content["data"]["method"] for content in kernel.answers(change, "comm_msg")] == ["echo_update"]
    kernel.click(button)
    kernel.reply(cell)
    assert kernel.run("print(text.value)") == "hello"


def test_a_thread_with_a_captured_context_writes_into_its_cell(kernel: Kernel) -> None:
    ask(kernel)
    kernel.run("label = ipywidgets.Label()")
    started = kernel.send(
        "go, ended = threading.Event(), concurrent.futures.Future()\n"
        "def body():\n"
        "    go.wait(10); print('printed'); label.value = 'set'; display('shown'); ended.set_result(None)\n"
        "threading.Thread(target=comms.capture_parent().run, args=(body,)).start()"
    )
    kernel.reply(started)
    other = kernel.send("go.set(); comms.wait_sync(ended, 10)")
    kernel.reply(other)
    kernel.until(lambda: "printed" in kernel.printed(started), "the print of the thread")
    assert kernel.printed(started) == "printed\n"
    # 6.x keeps one parent for the whole process; only its prints know their cell. A change needs no cell to be shown.
    changed, shown = (started, started) if kernel.major >= 7 else (other, other)
    assert [content["data"]["state"] for content in kernel.answers(changed, "comm_msg")] == [{"value": "set"}]
    assert [content["data"]["text/plain"] for content in kernel.answers(shown, "display_data")] == ["'shown'"]


def test_a_plain_thread_can_update_widgets_in_what_it_captures(kernel: Kernel) -> None:
    ask(kernel)
    kernel.run("label = ipywidgets.Label()")
    cell = """
        def body():
            context = comms.capture_parent()
            context.run(setattr, label, "value", "set in a thread")
            context.run(display, "shown")
        worker = concurrent.futures.ThreadPoolExecutor(1)
        worker.submit(body).result(10)
        print(label.value)
    """
    assert kernel.run(textwrap.dedent(cell)) == "set in a thread"


def test_a_wait_in_a_thread_without_cells_is_plain(kernel: Kernel) -> None:
    button = ask(kernel)
    cell = kernel.send(
        "def body():\n    print('thread waits', flush=True); return comms.wait_sync(q.future)\n"
        "worker = concurrent.futures.ThreadPoolExecutor(1)\n"
        "outer = worker.submit(comms.capture_parent().run, body); print('waiting', flush=True)\n"
        "print(comms.wait_sync(outer), *q.threads)"
    )
    kernel.wait_printed(cell, "thread waits")
    kernel.click(button)
    assert kernel.reply(cell)["status"] == "ok"
    assert kernel.printed(cell).split("\n")[-2] == "yes MainThread"


def test_a_fork_of_the_kernel_has_no_kernel(kernel: Kernel) -> None:
    ask(kernel)
    cell = """
        import os
        child = os.fork()
        if not child:
            os._exit(0 if comms.running_kernel() is None and not comms.own(["any"], print) else 1)
        print(os.waitpid(child, 0)[1])
    """
    assert kernel.run(textwrap.dedent(cell)) == "0"


def test_a_nested_loop_lets_clicks_through_and_keeps_the_queue(kernel: Kernel) -> None:
    """A blocking run needs it for tasks bound to the kernel's own loop. It patches that for good, so it comes late."""
    button = ask(kernel)
    kernel.run("log = []")
    cells = [kernel.send(NESTING + "\nlog.append(0)")]
    kernel.wait_printed(cells[0], "waiting")
    cells += [kernel.send(f"log.append({number})") for number in (1, 2)]
    kernel.click(button)
    assert [kernel.reply(cell)["status"] for cell in cells] == ["ok"] * 3
    assert kernel.run("print(*log)") == "0 1 2"


def test_after_a_restart_the_same_cells_work(kernel: Kernel) -> None:
    ask(kernel)
    cell = kernel.send(BLOCKING)
    kernel.wait_printed(cell, "waiting")
    kernel.restart()
    button = ask(kernel)
    cell = kernel.send(AWAITING)
    kernel.wait_printed(cell, "waiting")
    kernel.click(button)
    assert kernel.reply(cell)["status"] == "ok"


# -- without a kernel that we know ----------------------------------------------------------------------------------


def run_script(
    tmp_path: Path, source: str, *command: str, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(source))
    argv = [sys.executable, *(command or (str(script),))]
    environ = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    return subprocess.run(
        argv, input=stdin, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )


SCRIPT = """
    import asyncio, concurrent.futures, sys, threading
    from nbflow.notebook import comms

    def later(value):
        future = concurrent.futures.Future()
        threading.Timer(0.05, future.set_result, (value,)).start()
        return future

    async def main():
        return await comms.wait_async(later("awaited"))
"""


def test_in_a_script_waiting_is_plain_and_imports_nothing_of_jupyter(tmp_path: Path) -> None:
    script = textwrap.dedent(SCRIPT) + textwrap.dedent("""
        print(comms.wait_sync(later("waited")), asyncio.run(main()))
        print(comms.own(["any"], print), comms.disown(["any"]), comms.current_parent(), comms.running_kernel())
        print([name for name in ("IPython", "ipykernel", "zmq", "ipywidgets") if name in sys.modules])
    """)
    done = run_script(tmp_path, script)
    assert done.stdout == "waited awaited\nFalse None {} None\n[]\n", done.stderr


def test_in_an_ipython_terminal_waiting_is_plain(tmp_path: Path) -> None:
    script = textwrap.dedent(SCRIPT) + 'print("<", comms.wait_sync(later("waited")), ">")\n'
    (tmp_path / "first.py").write_text(script)
    typed = '%run -i first.py\nprint("<", await comms.wait_async(later("awaited")), ">")\nexit\n'
    done = run_script(tmp_path, "", "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor", stdin=typed)
    assert "< waited >" in done.stdout, done.stdout + done.stderr
    assert "< awaited >" in done.stdout, done.stdout + done.stderr


def test_an_unknown_kernel_gets_plain_waiting_and_one_warning(tmp_path: Path) -> None:
    """The in-process kernel is a real one, with another inside."""
    script = """
        import warnings
        from ipykernel.inprocess.manager import InProcessKernelManager
        from nbflow.notebook import comms
        manager = InProcessKernelManager()
        manager.start_kernel()
        manager.kernel.shell.push({"warnings": warnings})
        client = manager.client()
        client.start_channels()
        client.execute('''
        import concurrent.futures, threading
        from nbflow.notebook import comms
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                future = concurrent.futures.Future()
                threading.Timer(0.05, future.set_result, ("yes",)).start()
                result = comms.wait_sync(future)
            owned = comms.own(["any"], print)
        ''')
        found = manager.kernel.shell.user_ns
        print(found["result"], found["owned"], len(found["caught"]))
        print(found["caught"][0].message)
    """
    done = run_script(tmp_path, script)
    assert done.stdout.startswith("yes False 1\nnbflow does not know the inside of this kernel"), done.stderr
    assert "run_async" in done.stdout


def test_a_canceled_future_is_not_taken_for_a_canceled_task(tmp_path: Path) -> None:
    script = textwrap.dedent(SCRIPT) + textwrap.dedent("""
        async def canceled():
            future = concurrent.futures.Future()
            future.cancel()
            try:
                await comms.wait_async(future)
            except concurrent.futures.CancelledError as error:
                return isinstance(error, asyncio.CancelledError)
        async def canceling():
            future = concurrent.futures.Future()
            task = asyncio.create_task(comms.wait_async(future))
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait({task})
            return task.cancelled(), future.cancelled()
        print(asyncio.run(canceled()), asyncio.run(canceling()))
    """)
    done = run_script(tmp_path, script)
    assert done.stdout == "False (True, False)\n", done.stderr

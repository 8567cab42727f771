"""The kernel's side of the live view: what it sends, when, from which thread, and what it makes of a click."""

from __future__ import annotations

import concurrent.futures
import re
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from front_end import FrontEnd, front_end

from nbflow.notebook.live import LiveView, assets
from nbflow.notebook.live.pace import Changes, Pace
from nbflow.views import topo as topology
from nbflow.views.feed import Delta
from nbflow.views.picture import Drawn, Picture

Json = dict[str, Any]


class Clock:
    """A clock that is set by hand, and the calls that wait for it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls: list[Call] = []

    def __call__(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[[], None]) -> Call:
        self.calls.append(Call(self.now + delay, call))
        return self.calls[-1]

    def go(self, seconds: float) -> None:
        self.now += seconds
        for call in [call for call in self.calls if call.at <= self.now and not call.canceled]:
            self.calls.remove(call)
            call.call()


class Call:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.canceled = at, call, False

    def cancel(self) -> None:
        self.canceled = True


@pytest.fixture
def browser() -> Iterator[FrontEnd]:
    with front_end() as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    return Clock()


def picture(count: int) -> Picture:
    nodes = tuple(Drawn(f"task_{i}", "task", (i,)) for i in range(count))
    return Picture(nodes, tuple((i, i + 1) for i in range(count - 1)))


def start(count: int = 3, version: int = 1, **more: Any) -> Delta:
    drawn = picture(count)
    run = {"name": "r", "id": "r-1", "state": "running", "t0": 1.0, "t1": None}
    return (
        Delta(version, "p" * count, {}, run, [], topology.place(drawn), drawn)
        if not more
        else Delta(version, "p" * count, {}, **more)
    )


def ask(state: str = "open", **more: Any) -> Json:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    options = [
        {"value": "approve", "label": "Approve", "kind": "approve"},
        {"value": "reject", "label": "Reject", "kind": "reject"},
    ]
    return {"id": "7", "node": "ok", "state": state, "subject": "Go?", "schema": schema, "options": options, **more}


# ---- what is sent ----


def test_the_first_change_goes_at_once_and_later_ones_together(browser: FrontEnd, clock: Clock) -> None:
    view = LiveView(start(100), call_later=clock.call_later, clock=clock)
    clock.go(1)
    before = len(browser.updates)
    for i in range(50):
        view.apply({"st": "r" * (i + 1) + "p" * (99 - i), "rows": {str(i): [1.0, None, 1, None, None, "", None]}})
    assert len(browser.updates) == before + 1
    assert browser.state["st"] == "r" + "p" * 99
    clock.go(1 / 12)
    assert len(browser.updates) == before + 2
    assert browser.state["st"] == "r" * 50 + "p" * 50
    assert set(browser.state["rows"]) == {str(i) for i in range(1, 50)}


def test_no_more_than_twelve_pushes_a_second_and_eight_for_large_runs(browser: FrontEnd, clock: Clock) -> None:
    for count, most in ((100, 12), (1001, 8)):
        view = LiveView({"st": "p" * count}, call_later=clock.call_later, clock=clock)
        clock.go(1)
        before = len(browser.updates)
        for i in range(1000):
            view.apply({"st": "r" * (i % count) + "p" * (count - i % count)})
            clock.go(0.001)
        assert most - 1 <= len(browser.updates) - before <= most + 1


def test_the_last_change_of_a_run_does_not_wait(browser: FrontEnd, clock: Clock) -> None:
    view = LiveView(start(), call_later=clock.call_later, clock=clock)
    view.apply({"st": "sss", "run": {"name": "r", "id": "r-1", "state": "done", "t0": 1.0, "t1": 2.0}})
    assert browser.state["run"]["state"] == "done"
    assert browser.state["st"] == "sss"


def test_states_and_topology_come_in_one_message(browser: FrontEnd, clock: Clock) -> None:
    view = LiveView(start(3), call_later=clock.call_later, clock=clock)
    clock.go(1)
    drawn = picture(5)
    view.apply(
        Delta(2, "ssrpp", {"2": [1.0, None, 1, None, None, "", None]}, topo=topology.place(drawn), picture=drawn)
    )
    assert set(browser.updates[-1]) == {"topo", "st", "rows"}
    assert len(browser.updates[-1]["topo"]["nodes"]) == len(browser.updates[-1]["st"])


def test_rows_of_an_older_topology_are_forgotten(browser: FrontEnd, clock: Clock) -> None:
    view = LiveView(start(3), call_later=clock.call_later, clock=clock)
    view.apply({"rows": {"2": [9.0, None, 1, None, None, "", None]}})
    drawn = picture(5)
    view.apply(
        Delta(2, "rpppp", {"0": [1.0, None, 1, None, None, "", None]}, topo=topology.place(drawn), picture=drawn)
    )
    view.flush()
    FrontEnd.say(view, t="hello")
    assert set(browser.told("rows")[-1]["rows"]) == {"0"}


def test_a_late_view_gets_all_rows_and_the_time(browser: FrontEnd, clock: Clock) -> None:
    view = LiveView(start(200), call_later=clock.call_later, clock=clock)
    for i in range(150):
        view.apply({"rows": {str(i): [1.0, None, 1, None, None, "", None]}})
        clock.go(1)
    FrontEnd.say(view, t="hello")
    assert len(browser.told("rows")[-1]["rows"]) == 150
    assert abs(browser.told("rows")[-1]["now"] - time.time()) < 5


def test_a_browser_that_shows_the_view_is_noticed(browser: FrontEnd) -> None:
    view = LiveView(start())
    assert not view.presence.seen.done()
    FrontEnd.say(view, t="hello", view="v1")
    assert view.presence.seen.done() and view.presence.anybody
    FrontEnd.say(view, t="bye", view="v1")
    assert not view.presence.anybody


def test_a_saved_notebook_has_every_row_when_the_run_rests(browser: FrontEnd, clock: Clock) -> None:
    view = LiveView(start(200), call_later=clock.call_later, clock=clock)
    for i in range(150):
        view.apply({"rows": {str(i): [1.0, None, 1, None, None, "", None]}})
        clock.go(0.1)
    assert len(browser.state["rows"]) < 150
    view.apply({"run": {"name": "r", "id": "r-1", "state": "waiting", "t0": 1.0, "t1": None}})
    view.flush()
    assert len(browser.state["rows"]) == 150


def test_a_closed_view_sends_nothing_more(browser: FrontEnd, clock: Clock) -> None:
    view = LiveView(start(), call_later=clock.call_later, clock=clock)
    view.apply({"st": "rpp"})
    view.close()
    before = len(browser.updates)
    view.apply({"st": "spp"})
    clock.go(10)
    assert len(browser.updates) == before


def test_changes_from_many_threads_end_in_the_last_state(browser: FrontEnd) -> None:
    view = LiveView(start(300))

    def work(part: int) -> None:
        for i in range(part, 300, 4):
            view.apply({"rows": {str(i): [1.0, 2.0, 1, None, None, "", None]}})

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view.apply({"st": "s" * 300, "run": {"name": "r", "id": "r-1", "state": "done", "t0": 1.0, "t1": 2.0}})
    assert browser.state["st"] == "s" * 300
    assert len(browser.state["rows"]) == 300


def test_without_a_timer_of_the_engine_a_thread_sends_the_rest(browser: FrontEnd) -> None:
    view = LiveView(start(100))
    view.apply({"st": "r" + "p" * 99})
    view.apply({"st": "s" + "p" * 99})
    browser.came.clear()
    if browser.state["st"][0] != "s":
        assert browser.came.wait(5)
    assert browser.state["st"][0] == "s"


def test_what_waits_is_merged_with_what_is_newer() -> None:
    pushed: list[Changes] = []
    clock = Clock()
    pace = Pace(pushed.append, lambda: 1.0, clock.call_later, clock)
    pace.put(Changes(st="a"))
    pace.put(Changes(rows={"1": [1], "2": [1]}, asks=[]))
    pace.put(Changes(rows={"2": [2]}, st="b"))
    pace.put(Changes(topo={"nodes": []}, rows={"0": [3]}))
    pace.put(Changes(rows={"1": [4]}))
    clock.go(1)
    assert pushed == [Changes(st="a"), Changes({"nodes": []}, "b", {"0": [3], "1": [4]}, None, [])]


def test_a_push_of_five_hundred_nodes_is_cheap(browser: FrontEnd) -> None:
    view = LiveView(start(500))
    begun = time.process_time()
    for i in range(1000):
        view.apply(
            {
                "st": "r" * (i % 500) + "p" * (500 - i % 500),
                "rows": {str(i % 500): [1.0, None, 1, None, None, "", None]},
            }
        )
    view.flush()
    assert time.process_time() - begun < 1.0  # a fifth of one core over the five seconds that this would take


# ---- places ----


def test_the_chosen_direction_stays_when_the_graph_grows(browser: FrontEnd, clock: Clock) -> None:
    view = LiveView(start(3), call_later=clock.call_later, clock=clock)
    other = "TB" if browser.state["topo"]["rankdir"] == "LR" else "LR"
    turned = threading.Event()
    view.observe(lambda _: turned.set(), "topo")
    FrontEnd.say(view, t="dir", dir=other)
    wait_for(lambda: clock.go(1) or browser.state["topo"]["rankdir"] == other)
    view.apply(start(4, version=2))
    clock.go(1)
    assert len(browser.state["topo"]["nodes"]) == 4
    assert browser.state["topo"]["rankdir"] == other


def test_a_large_graph_is_drawn_when_somebody_asks(browser: FrontEnd, clock: Clock) -> None:
    drawn = picture(310)
    bare = topology.bare(drawn)
    assert bare["table_first"] and not bare["placed"]
    run = {"name": "r", "id": "r-1", "state": "running", "t0": 1.0, "t1": None}
    view = LiveView(Delta(1, "p" * 310, {}, run, [], bare, drawn), call_later=clock.call_later, clock=clock)
    assert not browser.state["topo"]["placed"]
    FrontEnd.say(view, t="draw")
    wait_for(lambda: clock.go(1) or browser.state["topo"]["placed"])
    assert all("x" in node for node in browser.state["topo"]["nodes"])


def wait_for(true: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


# ---- clicks ----


class Desk:
    """Takes answers as an engine does."""

    def __init__(self, status: str = "delivered", reason: str = "") -> None:
        self.answers: list[tuple[str, str, Json, str]] = []
        self.receipt = SimpleNamespace(status=status, reason=reason)

    def __call__(self, question: str, option: str, values: Json, comment: str) -> Any:
        self.answers.append((question, option, values, comment))
        return self.receipt


def answer(view: LiveView, option: str = "approve", values: Json | None = None, **more: Any) -> None:
    FrontEnd.say(
        view,
        t="answer",
        id="7",
        view="v1",
        option=option,
        values={"n": 3} if values is None else values,
        comment="fine",
        **more,
    )


def test_an_answer_reaches_the_engine_and_saved_comes_from_it(browser: FrontEnd) -> None:
    desk = Desk()
    view = LiveView({"asks": [ask()]}, on_answer=desk)
    answer(view)
    assert desk.answers == [("7", "approve", {"n": 3}, "fine")]
    assert browser.told("receipt") == [
        {"t": "receipt", "id": "7", "view": "v1", "status": "delivered", "reason": "", "errors": {}}
    ]


def test_a_wrong_value_is_refused_at_its_field_and_the_engine_is_not_asked(browser: FrontEnd) -> None:
    desk = Desk()
    view = LiveView({"asks": [ask()]}, on_answer=desk)
    answer(view, values={"n": "many"})
    assert desk.answers == []
    assert browser.told("receipt")[0]["errors"] == {"n": "Must be a whole number"}


def test_saved_is_not_said_before_the_engine_says_it(browser: FrontEnd) -> None:
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    view = LiveView({"asks": [ask()]}, on_answer=lambda *_: future)
    answer(view)
    assert browser.told("receipt") == []
    future.set_result(SimpleNamespace(status="delivered", reason=""))
    assert [receipt["status"] for receipt in browser.told("receipt")] == ["delivered"]


def test_a_double_click_is_one_answer(browser: FrontEnd) -> None:
    asked = []
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    view = LiveView({"asks": [ask()]}, on_answer=lambda *given: asked.append(given) or future)
    answer(view)
    answer(view)
    future.set_result(SimpleNamespace(status="delivered", reason=""))
    assert len(asked) == len(browser.told("receipt")) == 1


def test_after_a_refusal_one_can_answer_again(browser: FrontEnd) -> None:
    desk = Desk("rejected", "not on a Friday")
    view = LiveView({"asks": [ask()]}, on_answer=desk)
    answer(view)
    answer(view)
    assert len(desk.answers) == 2
    assert [receipt["reason"] for receipt in browser.told("receipt")] == ["not on a Friday"] * 2


def test_an_answer_that_comes_too_late_is_told_so(browser: FrontEnd) -> None:
    desk = Desk()
    view = LiveView({"asks": [ask("done", by="ana")]}, on_answer=desk)
    answer(view)
    assert desk.answers == []
    assert browser.told("receipt")[0]["status"] == "closed"
    assert "too late" in browser.told("receipt")[0]["reason"] and "ana" in browser.told("receipt")[0]["reason"]


@pytest.mark.parametrize("late", [False, True])
def test_an_engine_that_fails_does_not_leave_the_person_without_an_answer(browser: FrontEnd, late: bool) -> None:
    def fail(*_: Any) -> Any:
        if not late:
            raise OSError("disk full")
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_exception(OSError("disk full"))
        return future

    view = LiveView({"asks": [ask()]}, on_answer=fail)
    answer(view)
    assert browser.told("receipt")[0]["status"] == "error"
    assert "disk full" in browser.told("receipt")[0]["reason"]


def test_details_come_at_once_or_later_or_say_why_not(browser: FrontEnd) -> None:
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    results: list[Any] = [{"log": "x"}, future, ZeroDivisionError("no")]

    def detail(_: int) -> Any:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    view = LiveView(start(), detail=detail)
    for _ in range(3):
        FrontEnd.say(view, t="detail", i=1)
    future.set_result({"log": "y"})
    told = [message["d"] for message in browser.told("detail")]
    assert told == [{"log": "x"}, {"story": ["No details: no"]}, {"log": "y"}]


def test_cancel_and_resume_reach_the_engine_and_their_failure_is_shown(browser: FrontEnd) -> None:
    called = []

    def resume() -> None:
        raise RuntimeError("it is live elsewhere")

    view = LiveView(start(), on_cancel=lambda: called.append("cancel"), on_resume=resume)
    FrontEnd.say(view, t="cancel")
    FrontEnd.say(view, t="resume")
    assert called == ["cancel"]
    assert "live elsewhere" in browser.told("note")[0]["text"]


@pytest.mark.parametrize(
    "message",
    [{}, {"t": "answer"}, {"t": "answer", "id": [1], "values": 3}, {"t": "detail", "i": "x"}, {"t": "dir"}, {"t": "?"}],
)
def test_nonsense_from_a_browser_harms_nobody(browser: FrontEnd, message: Json) -> None:
    view = LiveView(start(), on_answer=Desk())
    FrontEnd.say(view, **message)
    view.apply({"st": "sss"})
    view.flush()
    assert browser.state["st"] == "sss"


# ---- the bundle, and what all views agree on ----


def test_the_notebook_file_holds_a_static_copy_beside_the_widget(browser: FrontEnd) -> None:
    view = LiveView(start(), static=lambda: {"text/plain": "r: running", "text/html": "<p>r</p>"})
    bundle = view._repr_mimebundle_()[0]
    assert bundle["text/plain"] == "r: running" and bundle["text/html"] == "<p>r</p>"
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_the_script_is_one_module_without_imports_and_its_names_differ() -> None:
    source = assets.script()
    assert re.findall(r"^(?:import|export)\b.*", source, re.MULTILINE) == ["export default { render };"]
    names = re.findall(r"^(?:const|let|class|(?:async )?function)\s+(\w+)", source, re.MULTILINE)
    assert len(names) == len(set(names)) > 50


def test_the_front_end_asks_no_network_and_parses_no_text_as_html() -> None:
    source = assets.script() + assets.style()
    assert not re.findall(r"(?<!xmlns=\")https?://(?!www\.w3\.org)[\w.]+", source)
    assert not re.findall(r"@import|url\((?!#)|eval\(|insertAdjacentHTML|outerHTML|document\.write", source)
    # the two places that set markup set the icons of the palette
    assert len(re.findall(r"innerHTML", source)) == 2


def test_every_piece_of_the_front_end_is_in_the_bundle() -> None:
    modules = {path.stem for path in (assets.HERE / "js").glob("*.js")}
    assert modules == set(assets._in_order("view"))
    assert {path.stem for path in (assets.HERE / "css").glob("*.css")} == set(assets.SHEETS)

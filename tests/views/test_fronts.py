"""The scenes of a machine and of a flow: what stands there, what leads where, and what can be done."""

from __future__ import annotations

from nbflow.core import machine as m
from nbflow.core import records as r
from nbflow.views.flow_scene import scene_of_flow
from nbflow.views.machine_scene import scene_of_machine
from nbflow.views.scene import Scene
from tests.core.test_machine import BOOM, FORM, machine, sent, waits
from tests.views.test_flow_view import player

FORMED = {**FORM, "moves": [["begin", "wait"], ["wait", "late"], ["approve", "ship"]]}


def ways(scene: Scene) -> dict[tuple[str, str], tuple[str, bool, bool]]:
    """Return the links by the labels of their ends."""
    names = [station.label for station in scene.stations]
    return {(names[link.source], names[link.target]): (link.label, link.dashed, link.taken) for link in scene.links}


def rows(scene: Scene, panel: str) -> list[tuple[str, list[str]]]:
    """Return the rows of a panel: the first cell, and the acts."""
    [found] = [each for each in scene.panels if each.name == panel]
    return [(row.cells[0], [act.name for act in row.acts]) for row in found.rows]


def code(scene: Scene, label: str) -> str:
    return next(station.row.code for station in scene.stations if station.label == label)


def test_a_machine_that_waits_is_lit_at_its_wait_and_shows_where_it_may_go() -> None:
    scene = scene_of_machine(machine(*waits(until=99.0), form=FORMED))
    assert code(scene, "wait") == "w" and code(scene, "begin") == "s" and code(scene, "late") == "p"
    found = ways(scene)
    assert found["begin", "wait"] == ("", False, True)
    assert found["wait", "approve"] == ("", False, False)
    assert found["wait", "late"][0] == "time is up"
    assert rows(scene, "inbox") == rows(scene, "aside") == []


def test_an_event_that_was_set_aside_can_be_sent_again_changed_or_discarded() -> None:
    state = machine(m.HandlerBegan(0, 1, "begin", m.START, 3.0), sent("1"), sent("2"), form=FORMED)
    state.handle(m.EventSetAside(0, "1", 6.0, BOOM))
    scene = scene_of_machine(state)
    assert rows(scene, "aside") == [("note", ["retry", "edit", "discard"])]
    assert rows(scene, "inbox") == [("note", [])]
    [aside] = [row for panel in scene.panels if panel.name == "aside" for row in panel.rows]
    [payload] = [act.text for act in aside.acts if act.text is not None]
    assert payload == "null", "it brought nothing"
    state.handle(r.RunCanceled(7.0, "", ("2",)))
    assert rows(scene_of_machine(state), "undelivered") == [("note", [])]


def test_a_flow_shows_its_tasks_the_keys_from_outside_and_what_a_person_can_do() -> None:
    played = player()
    scene = scene_of_flow(played.state)
    found = ways(scene)
    assert found["left", "join"] == ("", True, False) and found["first", "after"] == ("", False, False)
    assert found["join", "mend"] == ("FAILED", False, False)
    assert (code(scene, "left"), code(scene, "first")) == ("e", "q")
    assert rows(scene, "tasks") == [
        ("first", ["stop", "restart"]), ("after", ["start"]), ("join", ["start"]), ("mend", ["start"]),
    ]  # fmt: skip
    for key in ("left", "right"):
        played.send(key)
        played.pump()
    scene = scene_of_flow(played.state)
    assert (code(scene, "left"), code(scene, "right"), ways(scene)["left", "join"][2]) == ("s", "s", True)
    assert [key for key, _ in rows(scene, "events")] == ["right", "left"]
    played.state.handle(r.RunDetached(99.0))
    assert all(not acts for _, acts in rows(scene_of_flow(played.state), "tasks")), "nobody runs it"

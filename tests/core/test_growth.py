"""A graph grows by continuations and changes when it is given anew; what is finished stays so."""

from __future__ import annotations

from dataclasses import replace

from nbflow.core import records as r
from nbflow.core.changes import changed_nodes, digest, same_call, what_changed
from nbflow.core.commands import DropValue, FailRun, FinishRun, StartTask
from nbflow.core.graph import FORGOTTEN, Code, NodeSpec
from nbflow.core.node import Made
from nbflow.core.status import NodeStatus

from .runs import ERROR, V, again, arrived, check, done, event, graph, grew, started, statuses, task, value

N = NodeStatus


def test_the_value_of_a_continuation_takes_the_place_of_the_tasks() -> None:
    state, _ = started(task("a"), task("b", 0))
    assert grew(state, 0, task("x"), task("y", 0)) == [StartTask(2, 1)]
    assert state.handle(done(2)) == [StartTask(3, 1)]
    assert state.handle(done(3)) == [DropValue(2), StartTask(1, 1)]
    assert state.resolve(0) == 3 and statuses(state) == "done queued done done"


def test_the_arguments_of_a_task_that_grew_may_leave_memory_at_once() -> None:
    state, _ = started(task("a"), task("b", 0))
    state.handle(done(0))
    assert grew(state, 1, task("x")) == [DropValue(0), StartTask(2, 1)]


def test_every_link_of_a_recursion_has_the_final_value() -> None:
    state, _ = started(task("f"))
    for link in range(4):
        grew(state, link, task("f"))
    assert state.handle(done(4)) == [FinishRun()]
    assert [state.resolve(link) for link in range(5)] == [4] * 5
    assert list(state.index) == ["f", "f_1", "f_2", "f_3", "f_4"]


def test_a_container_may_be_the_value_of_a_continuation() -> None:
    state, _ = started(task("a"), task("b", 0))
    assert grew(state, 0, value("v")) == [StartTask(1, 1)]
    assert state.handle(done(1)) == [DropValue(2), FinishRun()]
    check(state)


def test_a_lost_value_at_the_end_of_a_continuation_is_made_again_without_its_owner() -> None:
    state, _ = started(task("a"), task("b", 0))
    grew(state, 0, task("costly"), task("x", 0))
    state.handle_all([done(2), done(3, None)])
    assert again(state) == [StartTask(3, 1)]
    assert statuses(state) == "grown pending restored queued"
    assert state.handle(done(3, None)) == [DropValue(2), StartTask(1, 1)]
    check(state)


def test_a_container_of_lost_parts_below_a_continuation_makes_its_owner_wait() -> None:
    state, _ = started(task("a"), task("b", 0))
    grew(state, 0, task("x"), value("v", 0))
    state.handle(done(2, None))
    assert again(state) == [StartTask(2, 1)]
    assert state.handle(done(2, None)) == [StartTask(1, 1)]
    check(state)


def test_a_grown_node_takes_the_next_free_name() -> None:
    state, _ = started(task("a"), task("a_1", 0))
    grew(state, 0, task("a"))
    assert list(state.index) == ["a", "a_1", "a_2"]


def test_a_graph_given_again_keeps_what_is_done_and_runs_the_new_code_of_the_rest() -> None:
    state, _ = started(task("a"), task("b", 0))
    state.handle_all([done(0), r.TaskFailed(1, ERROR), r.RunFailed(5.0, 1)])
    mended = Code("c2", "mended", fingerprint="new")
    commands = again(state, r.CodeAdded(mended), *graph(task("a"), task("b", 0, code="c2")))
    assert commands == [StartTask(1, 1)]
    assert state.nodes[1].spec.code == "c2" and not any(node.changed for node in state.nodes)


def test_a_finished_node_whose_code_or_arguments_changed_is_marked_until_it_runs_again() -> None:
    state, _ = started(task("a"), task("b", 0))
    state.handle(done(0))
    again(state, *graph(task("a", call=[[1]]), task("b", 0)))
    assert state.nodes[0].changed and not state.nodes[1].changed
    again(state, *graph(task("a", call=[[1]]), task("b", 0)))
    assert state.nodes[0].changed, "the result is still that of the older arguments"
    assert again(state, r.NodesReset((0,))) == [StartTask(0, 1)]
    assert not state.nodes[0].changed


def test_a_result_loses_its_mark_when_the_graph_is_again_what_made_it() -> None:
    state, _ = started(task("a"), task("b", 0))
    state.handle(done(0))
    again(state, *graph(task("a", call=[[1]]), task("b", 0)))
    assert state.nodes[0].made == Made(task("a"), {}) and what_changed(state, 0) == ("inputs",)
    again(state, *graph(task("a"), task("b", 0)))
    assert not state.nodes[0].changed and what_changed(state, 0) == ()


def test_another_value_in_the_graph_marks_those_who_have_used_it_and_nobody_else() -> None:
    def given(number: int) -> tuple[NodeSpec, ...]:
        shared = replace(value("v"), call=[[number]])
        return shared, value("box", 0), task("a", 1), task("b", 0), task("c", 2, 3), task("d", 4)

    state, _ = started(*given(1))
    state.handle_all([done(2), done(3), done(4)])
    again(state, *graph(*given(2)))
    assert [node.node_id for node in state.nodes if node.changed] == ["a", "b"]
    assert what_changed(state, 2) == ("inputs",)
    again(state, *graph(*given(1)))
    assert changed_nodes(state) == []


def test_values_that_carry_code_are_compared_by_their_mark_and_removed_ones_by_their_digest() -> None:
    stored = {"c": "p5", "b64": "AAAA", "py": "3.11", "code": True, "fp": "m1"}
    assert same_call([[{"v": stored}]], [[{"v": {**stored, "b64": "BBBB"}}]])
    assert not same_call([[{"v": stored}]], [[{"v": {**stored, "fp": "m2"}}]])
    plain = {"c": "p5", "b64": "AAAA", "py": "3.11"}
    assert same_call([[{"v": plain}]], [[{"v": {**plain, "py": "3.12"}}]])
    gone = {"c": "gone", "sum": digest(plain)}
    assert same_call([[{"v": gone}]], [[{"v": plain}]])
    assert not same_call([[{"v": gone}]], [[{"v": {**plain, "b64": "BBBB"}}]])
    assert not same_call([[{"l": [1]}]], [[{"l": [1, 2]}]]) and not same_call([[1]], [["1"]])


def test_nodes_that_were_grown_take_the_code_given_now_and_what_is_done_of_them_is_marked() -> None:
    state, _ = started(task("f"), task("b", 0))
    grew(state, 0, task("x"), task("x"), task("join", 0, 1))
    state.handle_all([done(2), r.TaskFailed(3, ERROR), r.RunFailed(5.0, 3)])
    mended = Code("c2", "plain", fingerprint="new")
    assert again(state, r.CodeAdded(mended), r.NodesRecoded("c2", (2, 3))) == [StartTask(3, 1)]
    assert [state.nodes[i].spec.code for i in (2, 3, 4)] == ["c2", "c2", "c"]
    assert changed_nodes(state) == [2] and what_changed(state, 2) == ("code",)
    check(state)


def test_a_fork_shares_what_is_done_and_is_a_run_of_its_own_that_nobody_runs() -> None:
    state, _ = started(task("a"), task("b"), task("c", 0), task("d", 1, 2))
    state.handle_all([done(0), done(1), done(2), r.TaskFailed(3, ERROR), r.RunFailed(5.0, 3)])
    assert state.handle(r.RunForked("w2", "run", 9.0, "a", {"try": 2}, (2,))) == []
    assert (state.workflow_id, state.status, state.forked_from, state.forked_after) == ("w2", "RESUMABLE", "run", "a")
    assert (state.metadata, state.created, state.started, state.ended, state.failed) == ({"try": 2}, 9.0, 0.0, 0.0, -1)
    assert statuses(state) == "restored restored pending pending"
    check(state)
    assert again(state) == [StartTask(2, 1)]


def test_a_fork_of_a_canceled_run_can_go_on() -> None:
    state, _ = started(task("a"), task("b", 0))
    state.handle_all([done(0), r.RunCanceled(5.0), r.RunForked("w2", "run", 9.0)])
    assert again(state) == [StartTask(1, 1)]
    check(state)


def test_a_value_that_was_removed_is_made_again_where_it_is_needed() -> None:
    state, _ = started(task("a"), task("b", 0))
    state.handle_all([done(0, {"c": "gone", "sum": ""}), done(1), r.RunSucceeded(9.0)])
    assert again(state, *graph(task("a"), task("b", 0), task("c", 0))) == [StartTask(0, 1)]
    check(state)


def test_a_node_that_a_new_graph_leaves_out_is_forgotten_with_all_it_grew() -> None:
    state, _ = started(task("a"), task("b"), task("c", 0, 1))
    grew(state, 0, task("x"))
    state.handle(done(3))
    assert again(state, *graph(task("b"), task("c", 0))) == [StartTask(1, 1)]
    assert [node.owner == FORGOTTEN for node in state.nodes] == [True, False, False, True]
    assert state.counts[N.PENDING] == 1 and sorted(state.index) == ["b", "c"]
    assert state.handle(done(3)) == [DropValue(3)], "a late body of it changes nothing"
    check(state)


def test_a_forgotten_node_does_not_take_the_name_of_a_later_one_away() -> None:
    state, _ = started(task("a"), task("b", 0))
    grew(state, 0, task("x"))
    again(state, r.NodesReset((0,)))
    grew(state, 0, task("x"))
    again(state)
    assert state.index["x"] == 3
    check(state)


def test_grown_nodes_stay_when_the_graph_is_given_again() -> None:
    state, _ = started(task("a"), task("b", 0))
    grew(state, 0, task("x"), task("y", 0))
    state.handle(done(2))
    assert again(state, *graph(task("a"), task("b", 0))) == [StartTask(3, 1)]
    check(state)


def test_a_node_that_changed_its_kind_runs_again_with_what_depends_on_it() -> None:
    state, _ = started(task("a"), task("b", 0), task("c", 1))
    state.handle_all([done(0), done(1)])
    again(state, *graph(value("a"), task("b", 0), task("c", 1)))
    assert statuses(state) == "done queued pending"


def test_reset_runs_a_node_and_all_that_depends_on_it_again() -> None:
    state, _ = started(task("a"), task("b"), task("c", 0, 1), task("d", 2))
    state.handle_all([done(0), done(1), done(2)])
    assert again(state, r.NodesReset((1,))) == [StartTask(1, 1)]
    assert statuses(state) == "restored queued pending pending"


def test_reset_below_a_continuation_reaches_what_depends_on_its_owner() -> None:
    state, _ = started(task("a"), task("b", 0), task("c", 1))
    grew(state, 0, task("x"), task("y", 0))
    state.handle_all([done(3), done(4), done(1)])
    assert again(state, r.NodesReset((3,))) == [StartTask(3, 1)]
    assert statuses(state) == "grown pending pending queued pending"
    check(state)


def test_reset_of_an_owner_and_its_child_in_any_order_runs_the_owner() -> None:
    for nodes in ((0, 2), (2, 0)):
        state, _ = started(task("a"), task("b", 0))
        grew(state, 0, task("x"))
        state.handle(done(2))
        assert again(state, r.NodesReset(nodes)) == [StartTask(0, 1)]
        check(state)


def test_reset_of_a_link_that_has_dropped_its_arguments_runs_the_task_that_made_it() -> None:
    state, _ = started(task("f", call=[[3]]))
    grew(state, 0, task("f", call=[[2]]))
    grew(state, 1, task("f", call=[[1]]))
    state.handle(done(2))
    assert state.nodes[0].spec.call == [[3]] and state.nodes[1].spec.call is None
    assert again(state, r.NodesReset((1,))) == [StartTask(0, 1)]
    check(state)


def test_nodes_laid_ready_and_not_used_before_a_crash_are_gone() -> None:
    state, _ = started(task("a"))
    state.handle(r.NodesAdded((task("x"),), 0))
    again(state)
    grew(state, 0, task("y"))
    assert sorted(state.index) == ["a", "y"]


def test_a_failure_below_a_continuation_fails_the_run_and_only_it_runs_again() -> None:
    state, _ = started(task("a"), task("b", 0))
    grew(state, 0, task("x"))
    assert state.handle(r.TaskFailed(2, ERROR)) == [FailRun(2)]
    assert statuses(state) == "grown skipped failed"
    state.handle(r.RunFailed(5.0, 2))
    assert again(state) == [StartTask(2, 1)]


def test_a_wait_below_a_continuation_gives_its_event_to_the_owner() -> None:
    state, _ = started(task("a"), task("b", 0))
    grew(state, 0, event("w"))
    state.handle(r.WaitOpened(2, 1, 3.0, "k"))
    assert StartTask(1, 1) in state.handle(arrived("e1"))
    assert state.nodes[state.resolve(0)].value == V


def test_a_replaced_option_of_a_running_graph_keeps_the_place_of_its_node() -> None:
    state, _ = started(task("a"), task("b", 0))
    state.handle(done(0))
    again(state, *graph(task("new"), replace(task("a", 0)), task("b", 1)))
    assert [node.node_id for node in state.nodes] == ["a", "b", "new"]
    assert state.nodes[0].spec.deps == (2,) and state.nodes[0].changed

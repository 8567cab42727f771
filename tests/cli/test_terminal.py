"""What a terminal shows: tables as wide as it is, in colour where colours are wanted, and no letter that harms it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from nbflow.cli.terminal import Printer, columns, lately, stamp

from .commands import Shell, program
from .terminals import COLOUR, Terminal, plain


class Wide(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def printed(monkeypatch: pytest.MonkeyPatch, width: int, rows: list[tuple[str, ...]], **more: object) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Wide()
    Printer(stream=stream).table(("ID", "NAME", "STATE"), rows, **more)  # type: ignore[arg-type]
    return stream.getvalue().splitlines()


def test_a_table_has_its_colours_at_a_terminal_and_none_elsewhere(looking: Shell) -> None:
    seen, code = Terminal(looking, "list").ends()
    assert code == 0 and COLOUR.search(seen) and "◆ Needs you" in plain(seen)
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        seen, _ = Terminal(looking, "list", **env).ends()
        assert not COLOUR.search(seen) and "RUN " in seen
    assert not COLOUR.search(looking("list").out)


def test_no_line_of_a_table_is_wider_than_the_terminal(nbflow: Shell, storage: Path) -> None:
    program(
        storage,
        """
        nf.run(nf.task(lambda: "x" * 500, name="a_rather_long_name_of_a_task_that_goes_on_and_on").bind(),
               workflow_id="a-rather-long-id-of-a-run-of-the-year-2026-in-november")
        nf.run(nf.task(lambda: "日本語" * 50, name="日本語の名前").bind(), workflow_id="short")
        """,
    )
    for width, words in (
        (60, ["list"]), (80, ["list"]), (200, ["list"]), (60, ["show", "short"]),
        (60, ["story", "short", "日本語の名前"]),
    ):  # fmt: skip
        seen, _ = Terminal(nbflow, *words, columns=width).ends()
        assert max(columns(line) for line in plain(seen).splitlines()) <= width, words


def test_the_id_of_a_run_is_whole_as_long_as_anything_else_can_give(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("x" * 30, "y" * 40, "Done")]
    assert printed(monkeypatch, 50, rows, give=(1, 0))[1] == "x" * 30 + "  " + "y" * 10 + "…  Done"
    assert printed(monkeypatch, 30, rows, give=(1, 0))[1] == "x" * 10 + "…  " + "y" * 9 + "…  Done"


def test_into_a_pipe_every_cell_is_whole_and_on_one_line() -> None:
    stream = io.StringIO()
    Printer(stream=stream).table(("A", "B"), [("x" * 500, "two\nlines\tand \x1b[31mmore")])
    assert stream.getvalue() == "x" * 500 + "\ttwo lines and \ufffd[31mmore\n"


def test_wide_letters_and_accents_keep_the_columns_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, 80, [("日本語", "e\u0301e\u0301e\u0301e\u0301", "State"), ("abcdef", "cdef", "State")])
    assert len({columns(line) for line in lines}) == 1, lines


def test_a_moment_is_told_as_short_as_it_can_be() -> None:
    noon = 1_800_000_000.0
    assert len(lately(noon, noon + 1)) == 5 and len(lately(noon, noon + 90_000)) == 10 and lately(0.0, noon) == ""
    assert stamp(noon) == "2027-01-15T08:00:00.000Z" and stamp(0.0) is None


def test_a_hostile_name_cannot_move_the_terminal(nbflow: Shell, storage: Path) -> None:
    program(
        storage,
        r"""
        evil = "\x1b]0;owned\x07\x1b[2J" + chr(10) + "x"
        nf.run_async(nf.wait_for_event(nf.ButtonListener, evil, message=evil, options=[evil, "b"], assigned_to=evil)
                     .options(task_id="n" + evil), workflow_id="w" + evil)
        import time; time.sleep(0.3)
        """,
    )
    for words in (["list"], ["show", "w\x1b]0;owned\x07\x1b[2J\nx"]):
        seen, code = Terminal(nbflow, *words).ends()
        assert code == 0 and "\x1b]" not in seen and "\x1b[2J" not in seen and "\x07" not in seen
        assert "\x1b" not in nbflow(*words).out
        assert "\x1b" not in nbflow("--json", *words).out
    assert "\x1b" not in nbflow("show", "v\x1b[2J").err

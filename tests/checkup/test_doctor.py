"""The doctor says what works here and what not, tells no secret, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import nbflow as nf
from nbflow.checkup import doctor as doctors
from nbflow.checkup.finding import BAD, GOOD, NOTE, WARN, Checkup, Finding
from nbflow.cli import main
from nbflow.testing import MemoryStorage


def verdicts(found: Checkup, area: str) -> dict[str, str]:
    """Return the verdict of each thing of an area."""
    return {each.name: each.verdict for each in found.findings if each.area == area}


def test_a_good_folder_is_good_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    found = nf.doctor(storage=tmp_path)
    assert {verdicts(found, "storage")[name] for name in ("writable", "rename", "exclusive", "hard links")} == {GOOD}
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    found = nf.doctor(storage=tmp_path / "a" / "b")
    assert verdicts(found, "storage")["writable"] == GOOD
    assert os.listdir(tmp_path) == []
    assert "made by the first run" in repr(found)


def test_a_folder_that_cannot_be_written_is_bad_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)  # root may write everywhere
    found = nf.doctor(storage=tmp_path)
    assert not found.ok
    assert verdicts(found, "storage")["writable"] == BAD
    assert main(["doctor", "--storage", str(tmp_path)]) == 1
    assert "bad\tstorage\twritable\tPermission denied" in capsys.readouterr().out


def test_no_secret_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_ANSWERS", '{"pin": "hush-1"}')
    monkeypatch.setenv("NBFLOW_OF_SOMEBODY", "hush-2")
    monkeypatch.setenv("NBFLOW_STORAGE", "s3://hush-3:hush-4@store.example/runs?key=hush-5")
    found = nf.doctor()
    shown = repr(found) + found._repr_html_() + json.dumps(found.to_json())
    assert "s3://store.example/runs" in shown
    assert "hush" not in shown


def test_the_storage_in_use_is_looked_at() -> None:
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    try:
        assert verdicts(nf.doctor(), "storage") == {"memory": NOTE}
    finally:
        nf.shutdown()


def test_what_is_bad_counts_and_what_could_be_better_does_not() -> None:
    well = Finding("a", "well", GOOD, "fine")
    better = Finding("a", "better", WARN, "slow", "make it fast")
    broken = Finding("b", "broken", BAD, "gone")
    assert Checkup([well]).summary == "All is well."
    assert Checkup([well, better]).ok
    assert Checkup([well, better]).summary == "1 could be better."
    assert not Checkup([well, broken]).ok
    assert Checkup([broken, broken, better]).summary == "2 things do not work and 1 could be better."
    assert "-> make it fast" in repr(Checkup([better]))


def test_the_page_escapes_what_it_shows() -> None:
    page = Checkup([Finding("<a>", "<b>", WARN, "<c>", "<d>")])._repr_html_()
    assert not any(f"<{letter}>" in page for letter in "acd")
    assert "&lt;b&gt;" in page


def test_the_command_prints_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json", "--storage", str(tmp_path)])
    document = json.loads(capsys.readouterr().out)
    assert code == 0 and document["ok"]
    assert {"python", "storage", "packages"} <= {each["area"] for each in document["findings"]}


def test_the_archived_nest_asyncio_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "nest_asyncio", sys)
    assert verdicts(nf.doctor(storage=tmp_path), "notebook")["nest_asyncio"] == WARN


def test_the_door_of_the_package_leads_to_the_doctor() -> None:
    assert nf.doctor is doctors.doctor

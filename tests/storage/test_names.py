"""Folder names: every id has one, no two ids share one, and every file system can hold it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.storage.folder import FolderStorage
from nbflow.storage.names import folder_name


@pytest.mark.parametrize("workflow_id", ["run", "churn-2026-11", "a", "v1.2_x", "0", "x" * 80])
def test_a_tame_id_is_its_own_name(workflow_id: str) -> None:
    assert folder_name(workflow_id) == workflow_id


@pytest.mark.parametrize(
    ("workflow_id", "slug"),
    [
        ("Churn 2026", "churn-2026"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("..", "run"),
        ("con", "con"),
        ("com1.txt", "com1-txt"),
        ("ends.", "ends"),
        ("x" * 81, "x" * 60),
        ("Žluť", "lu"),
        ("\ud800", "run"),
        ("a/b\\c:d", "a-b-c-d"),
        ("a~b", "a-b"),
        ("new\nline", "new-line"),
    ],
)
def test_a_wild_id_gets_a_tame_name(workflow_id: str, slug: str) -> None:
    assert re.fullmatch(re.escape(slug) + "~[0-9a-f]{10}", folder_name(workflow_id))


@settings(deadline=None)
@given(st.text(st.characters(), min_size=1, max_size=255), st.text(st.characters(), min_size=1, max_size=255))
def test_two_ids_never_share_a_name_on_any_file_system(first: str, second: str) -> None:
    names = [folder_name(first), folder_name(second)]
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._~-]{0,89}", name) and not name.endswith(".") for name in names)
    assert (names[0].lower() == names[1].lower()) == (first == second)


@pytest.mark.parametrize("workflow_id", ["Run", "run", "RUN", "../up", "\ud800", "new\nline", "x" * 255, "nul"])
def test_the_id_itself_is_what_the_listing_shows(folder: FolderStorage, workflow_id: str) -> None:
    run = folder.create_run(workflow_id)
    run.append(['{"t":"x"}'])
    assert [entry.workflow_id for entry in folder.list_runs()] == [workflow_id]
    run.write_status({})
    assert [entry.workflow_id for entry in folder.list_runs()] == [workflow_id]
    assert folder.read_run(workflow_id) == [{"t": "x"}]

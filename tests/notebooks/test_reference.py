"""The documents: they build without a warning, name every public thing, and their examples and pictures are true."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nbflow as nf
from nbflow import errors
from nbflow.testing import MemoryStorage

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = ROOT / "notebooks" / "reference"
PUBLIC = ("nbflow", "nbflow.listeners", "nbflow.machine", "nbflow.rules", "nbflow.testing")
SECTION = re.compile(r"^\.\. autoexception:: nbflow\.errors\.(\w+)\n(.*?)(?=^\.\. auto|\Z)", re.MULTILINE | re.DOTALL)
ERRORS = dict(SECTION.findall((REFERENCE / "errors.rst").read_text(encoding="utf-8")))


def tool(name: str) -> ModuleType:
    """Return a module of the folder of the reference, which is no package."""
    spec = importlib.util.spec_from_file_location(f"reference_{name}", REFERENCE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


states, public = tool("states"), tool("public")


@pytest.fixture
def memory() -> Iterator[None]:
    """Keep what the examples run in memory."""
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    yield
    nf.shutdown()


# ---- the errors page ----


def test_every_error_is_on_the_page_of_errors_and_nothing_else() -> None:
    raised = [name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, Exception)]
    assert sorted(ERRORS) == sorted(raised), "see notebooks/reference/errors.rst"


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_says_what_to_type_next_and_its_example_runs(name: str, memory: None) -> None:
    assert "Next: " in ERRORS[name]
    example = doctest.DocTestParser().get_doctest(ERRORS[name], {"nf": nf, "errors": errors}, name, None, 0)
    lines: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=lines.append)
    assert result.attempted, "each error has an example"
    assert result.failed == 0, "".join(lines)


# ---- the pictures of the states ----


@pytest.mark.parametrize("name", ["runs", "nodes"])
def test_the_whole_table_has_every_pair_and_no_other(name: str) -> None:
    table = states.NAMES[name]
    heads, *rows = re.findall(r"<tr>(.*?)</tr>", states.whole(name))
    columns = re.findall(r'<th scope="col">(.*?)</th>', heads)
    shown = {}
    for row in rows:
        record = re.search(r"<code>(\w+)</code>", row)
        assert record is not None
        for column, cell in zip(columns, re.findall(r"<td>(.*?)</td>", row), strict=True):
            if cell:
                shown[column, record[1]] = None if "idle" in cell else cell
    assert shown == {
        ("new" if status is None else status.value, record.__name__): target and target.value
        for (status, record), target in table.items()
    }


@pytest.mark.parametrize("name", ["runs", "nodes"])
def test_every_arrow_of_a_picture_is_a_move_of_its_table_or_follows_from_one(name: str) -> None:
    table = states.NAMES[name]
    for (source, target), words in states.arrows(table).items():
        for word in words:
            move = {record.__name__: to for (status, record), to in table.items() if status is source}.get(word)
            assert move is target or states.FOLLOWS[source, target] == word


@pytest.mark.parametrize("name", ["runs", "nodes"])
def test_a_picture_shows_every_state(name: str) -> None:
    drawn = states.picture(name)
    shown = re.findall(r'rx="9"/><text [^>]*>(\w+)</text>', drawn)
    assert sorted(shown) == sorted({"new" if s is None else s.value for s, _ in states.NAMES[name]})
    assert drawn.count('class="way') == len(states.arrows(states.NAMES[name]))


# ---- the pages ----


def test_every_public_name_stands_on_one_page() -> None:
    pages = [*dict.fromkeys([*public.PAGES, *public.MODULES, public.MORE])]
    named = [name for page in pages for name in public.names_on(page)]
    assert len(named) == len(set(named))
    files = "".join(path.read_text(encoding="utf-8") for path in (REFERENCE / "api").glob("*.rst"))
    assert [page for page in pages if f".. public:: {page}\n" not in files] == []
    things = {id(public.found(name)) for name in named}
    exported = [f"{module}.{name}" for module in PUBLIC for name in importlib.import_module(module).__all__]
    assert [e for e in exported if id(public.found(e)) not in things and not public.is_error(e)] == []


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the built documents; the build is that of ``python3 notebooks --docs``."""
    place = tmp_path_factory.mktemp("documents")
    options: list[Any] = ["-W", "--keep-going", "-q", "-b", "html", "-c", REFERENCE, "-d", place / "trees"]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ROOT / "notebooks", place / "html"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return place / "html"


@pytest.mark.slow
def test_the_documents_build_without_a_warning_and_hold_what_they_should(pages: Path) -> None:
    from sphinx.util.inventory import InventoryFile

    loaded = InventoryFile.loads((pages / "objects.inv").read_bytes(), uri="")
    known = {name for kind in loaded.data.values() for name in kind}
    wanted = [name for page in [*public.PAGES, *public.MODULES, public.MORE] for name in public.names_on(page)]
    wanted += [f"nbflow.errors.{name}" for name in ERRORS]
    assert [name for name in wanted if name not in known] == []
    tutorials = [path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")]
    assert [name for name in tutorials if not (pages / f"{name}.html").exists()] == []


@pytest.mark.slow
def test_no_page_names_a_folder_of_ours(pages: Path) -> None:
    for page in pages.rglob("*.html"):
        assert str(ROOT) not in page.read_text(encoding="utf-8"), page.name

"""The extension of a real Jupyter server: events and answers behind its login, whether a kernel is busy or dead."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from jupyter_servers import TOKEN, Server, _environment, running
from playwright.sync_api import Browser, expect

import nbflow as nf
from nbflow.http.extension import Nbflow
from nbflow.http.key import FILE
from tests.engine.tools import finish, script, until
from tests.http import senders

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CONFIG = Path(nf.__file__).parent / "http" / "jupyter_server_config.d" / "nbflow.json"
OWNER = """
    import sys, time
    import nbflow as nf
    nf.init(storage=sys.argv[1])
    go = nf.run_async(nf.wait_for_event(nf.HTTPListener, event_key="go"), workflow_id="waits")
    ask = nf.run_async(nf.wait_for_event(nf.ButtonListener, "Publish?"), workflow_id="asks")
    while not (ask.questions and go.state.waiting):
        time.sleep(0.01)
    print("link", nf.serve().link(ask, "publish").rpartition("/")[2], flush=True)
    print("values", go.result(), ask.result(), flush=True)
    nf.shutdown()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a server in whose configuration the extension is, as pip puts it there."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "config" / "jupyter_server_config.d").mkdir(parents=True)
    shutil.copy(CONFIG, folder / "config" / "jupyter_server_config.d")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with running("jupyter_server", folder) as started:
        yield started


@pytest.fixture
def storage(server: Server) -> Iterator[Path]:
    """Give the storage folder that the server looks into."""
    yield server.work / ".nbflow"
    shutil.rmtree(server.work / ".nbflow", ignore_errors=True)


def owner_of(storage: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a process that runs ``waits`` and ``asks``; return it and the last part of a link to the question."""
    process = script(OWNER, storage)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("link "):
            return process, line.split()[1]
    raise AssertionError("the owner ended")


def post(server: Server, path: str, content: Any, **headers: str) -> senders.Answer:
    return senders.post(f"{server.url}/nbflow/{path}", content, **headers)


LOGIN = {"Authorization": f"token {TOKEN}"}
EVENT = {"event_key": "go", "event_payload": {"x": 1}, "event_id": "1"}


def test_jupyter_lists_it_as_enabled_and_well(folder: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "jupyter", "server", "extension", "list"],
        env=_environment(folder), capture_output=True, text=True,
    )  # fmt: skip
    told = re.sub("\x1b\\[[0-9]*m", "", said.stdout + said.stderr)
    assert re.search(r"nbflow\.http\.extension enabled(.*\n){2}.*nbflow\.http\.extension +OK", told), told


def test_the_wheel_enables_it() -> None:
    project = (Path(nf.__file__).parents[1] / "pyproject.toml").read_text()
    assert '"nbflow/http/jupyter_server_config.d" = "etc/jupyter/jupyter_server_config.d"' in project
    assert json.loads(CONFIG.read_text())["ServerApp"]["jpserver_extensions"] == {"nbflow.http.extension": True}


def test_without_login_nothing_is_told_or_taken(server: Server, storage: Path) -> None:
    for headers in ({}, {"Authorization": "token wrong"}, {"Authorization": "Bearer wrong"}):
        answer = post(server, "event/send_event/waits", EVENT, **headers)
        assert answer.status == 403 and answer.json["error"]
    page = senders.get(f"{server.url}/nbflow/q/x.y")
    assert page.status == 302 and "login" in page.headers["Location"]
    assert not storage.exists(), "looking makes no storage"


def test_an_event_reaches_a_run_whose_kernel_is_alive_or_dead(server: Server, storage: Path) -> None:
    assert post(server, "event/send_event/waits", EVENT, **LOGIN).status == 404
    owner, _ = owner_of(storage)
    assert post(server, "event/send_event/waits", {**EVENT, "event_key": "no"}, **LOGIN).status == 404
    assert post(server, "event/send_event/waits", b"{", **LOGIN).status == 400
    assert post(server, "event/send_event/waits", b"{}", **LOGIN, Content_Type="text/plain").status == 415
    said = post(server, "event/send_event/waits", EVENT, **LOGIN)
    assert said.status == 200 and said.json["status"] == "delivered"
    assert post(server, "event/send_event/waits", EVENT, **LOGIN).status in (200, 410)
    owner.kill()
    owner.communicate()
    said = post(server, "event/send_event/asks", {"event_key": "publish", "event_payload": "approve"}, **LOGIN)
    assert said.status == 202
    out = finish(script("""
        import sys, nbflow as nf
        nf.init(storage=sys.argv[1])
        print(nf.resume("asks"))
        nf.shutdown()
    """, storage))  # fmt: skip
    assert "approve" in out


def test_a_link_works_below_the_server_and_a_page_needs_its_own_token_against_forgery(
    server: Server, storage: Path, browser: Browser
) -> None:
    owner, link = owner_of(storage)
    at = f"{server.url}/nbflow/q/{link}"
    page = senders.get(at, **LOGIN)
    assert page.status == 200 and "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert senders.get(f"{at[:-3]}xyz", **LOGIN).status == 404

    context = browser.new_context(viewport={"width": 390, "height": 844})
    tab = context.new_page()
    tab.goto(f"{at}?token={TOKEN}")
    cookies = SimpleCookie({str(c["name"]): str(c["value"]) for c in context.cookies()})
    header = "; ".join(f"{name}={found.coded_value}" for name, found in cookies.items())
    forged = senders.post(f"{at}/answer", {"option": "reject"}, Cookie=header)
    assert forged.status == 403, "a cookie alone may be sent by any page"

    tab.get_by_label("Your name").fill("Ana")
    tab.get_by_role("button", name="Approve").click()
    expect(tab.locator(".decided")).to_contain_text("Approved by Ana")
    context.close()
    assert post(server, "event/send_event/waits", EVENT, **LOGIN).status == 200
    assert "values {'x': 1} approve" in finish(owner)


def test_the_storage_is_that_of_the_trait_or_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Nbflow().folder("/shown") == "/shown/.nbflow"
    monkeypatch.setenv("NBFLOW_STORAGE", "/data/runs")
    assert Nbflow().folder("/shown") == "/data/runs"
    assert Nbflow(storage="runs").folder("/shown") == "/shown/runs"


def test_a_storage_that_is_made_later_is_found(server: Server, storage: Path) -> None:
    assert post(server, "event/send_event/waits", EVENT, **LOGIN).status == 404
    owner, link = owner_of(storage)
    assert (storage / FILE).exists()
    until(lambda: senders.get(f"{server.url}/nbflow/q/{link}/state", **LOGIN).status == 200)
    owner.kill()
    owner.communicate()

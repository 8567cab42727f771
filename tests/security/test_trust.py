"""Who may make code run: nobody by looking at a storage, and nobody at all without the key where all is signed."""

from __future__ import annotations

import hmac
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

import nbflow as nf
from nbflow.cli import main
from nbflow.errors import SignatureError
from nbflow.http import key
from nbflow.http.links import Link
from nbflow.storage import values
from nbflow.storage.folder import FolderStorage
from nbflow.storage.memory import MemoryStorage
from nbflow.storage.signing import Signer

ROOT = Path(__file__).resolve().parents[2]


class Trap:
    """Its pickle makes a folder when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def trapped(path: Path) -> dict[str, Any]:
    """Return a stored value that is a trap."""
    return {**values.encode(Trap(path), MemoryStorage().create_run("x")), "pv": "an innocent value", "ty": "str"}


def set_trap(folder: Path, trap: dict[str, Any]) -> int:
    """Put a trap in the place of all values and all code of a run, with checksums that are right; return how many."""
    count = 0
    for path in folder.glob("j-*.jsonl"):
        lines = path.read_bytes().splitlines()
        salt = json.loads(lines[0])["n"][0]["salt"] if lines else 0
        made = []
        for number, line in enumerate(lines):
            frame = json.loads(line)
            for record in frame["n"]:
                count += _replace(record, trap)
            frame.pop("crc")
            body = json.dumps(frame, separators=(",", ":")).encode()[:-1]
            made.append(b'%b,"crc":"%08x"}\n' % (body, crc32(body, salt if number else 0)))
        path.write_bytes(b"".join(made))
    return count


def _replace(part: Any, trap: dict[str, Any]) -> int:
    found = 0
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, value in [*inner]:
        if isinstance(value, dict) and value.get("c") in ("json", "p5"):
            part[name] = trap
            found += 1
        else:
            found += _replace(value, trap)
    return found


def run_one(storage: Path, sign: bool) -> None:
    """Run something in a process of its own, and let a second run wait."""
    code = """
        import sys, time, nbflow as nf
        nf.init(storage=sys.argv[1], sign=sys.argv[2] == "True")
        double = nf.task(lambda x: 2 * x, name="double")
        assert nf.run(double.bind(double.bind((1, 2))), workflow_id="done") == (1, 2) * 4
        run = nf.run_async(double.bind(nf.wait_for_event("go")), workflow_id="waits")
        while not run.state.waiting:
            time.sleep(0.01)
        nf.shutdown()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(storage), str(sign)], cwd=ROOT, timeout=120)
    assert done.returncode == 0


@pytest.fixture(autouse=True)
def own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", "k" * 64)


def test_who_looks_at_a_storage_loads_nothing_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage, sprung = tmp_path / "s", tmp_path / "sprung"
    run_one(storage, sign=False)
    assert sum(set_trap(folder, trapped(sprung)) for folder in (storage / "runs").iterdir()) >= 4
    nf.shutdown()
    nf.init(storage=storage)
    assert {row.workflow_id for row in nf.list_runs()} == {"done", "waits"}
    assert nf.list_runs()._repr_html_() and len(nf.list_all()) == 2
    for name in ("done", "waits"):
        run = nf.get_run(name)
        assert run.story("double") and run.to_dataframe() is not None and run._snapshot() is not None
        assert nf.get_progress(name) and nf.get_metadata(name) and nf.get_status(name) and run.logs("double") == ""
        for words in (
            ["show", name],
            ["show", name, "--json"],
            ["story", name, "double"],
            ["list"],
            ["logs", name, "double"],
        ):
            assert main([*words, "--storage", str(storage)]) == 0
    assert "an innocent value" in capsys.readouterr().out
    main(["send", "waits", "go", "--json", "1", "--wait", "0", "--storage", str(storage)])
    assert not sprung.exists()
    nf.get_output("done")  # to take a value out is to load it: a storage folder is code
    assert sprung.exists()
    nf.shutdown()


def test_where_all_is_signed_no_trap_is_sprung(tmp_path: Path) -> None:
    storage, sprung = tmp_path / "s", tmp_path / "sprung"
    run_one(storage, sign=True)
    nf.shutdown()
    nf.init(storage=storage, sign=True)
    assert nf.get_output("done") == (1, 2) * 4
    nf.shutdown()
    for folder in (storage / "runs").iterdir():
        set_trap(folder, trapped(sprung))
    nf.init(storage=storage, sign=True)
    for touch in (nf.get_output, nf.resume, nf.get_run("done").story, nf.fork):
        with pytest.raises((SignatureError, nf.errors.WorkflowNotResumableError)) as caught:
            touch("done")
        assert "sign" in str(caught.value)
    dag = nf.task(lambda: 1, name="one").bind()
    with pytest.raises(SignatureError, match="run 'done'"):
        nf.run(dag, workflow_id="done")
    assert [workflow_id for workflow_id, _ in nf.resume_all()] == []
    assert {workflow_id for workflow_id, _ in nf.list_all()} == {"done", "waits"}
    assert nf.run(dag, workflow_id="new") == 1, "the others go on"
    assert not sprung.exists()
    nf.shutdown()


def test_a_signed_run_goes_on_in_another_process_with_events_of_a_third(tmp_path: Path) -> None:
    storage = tmp_path / "s"
    run_one(storage, sign=True)
    env = {**os.environ, "NBFLOW_STORAGE": str(storage), "NBFLOW_SIGN": "1"}
    send = [sys.executable, "-m", "nbflow", "send", "waits", "go", "--json", "[4]", "--id", "1"]
    for _ in range(2):
        assert subprocess.run(send, cwd=ROOT, env=env, timeout=120, stdout=subprocess.DEVNULL).returncode == 0
    nf.shutdown()
    nf.init(storage=storage, sign=True)
    assert nf.resume("waits") == [4, 4]
    nf.shutdown()
    content = b"".join(path.read_bytes() for path in storage.rglob("*") if path.is_file())
    assert b"k" * 64 not in content and b'"mac":"' in content


def test_results_that_others_left_in_the_cache_are_not_taken(tmp_path: Path) -> None:
    storage, sprung = tmp_path / "s", tmp_path / "sprung"
    nf.shutdown()
    nf.init(storage=storage, sign=True)
    slow = nf.task(lambda x: (x, x), name="slow", cache=True)
    assert nf.run(slow.bind(3), workflow_id="first") == (3, 3)
    nf.shutdown()
    kept = [*(storage / "cache/results").iterdir()]
    assert kept, "nothing was cached"
    for path in kept:
        line = path.read_bytes()
        assert b'"mac":"' in line
        frame = json.loads(line)
        _replace(frame["n"], trapped(sprung))
        frame.pop("crc")
        body = json.dumps(frame, separators=(",", ":")).encode()[:-1]
        path.write_bytes(b'%b,"crc":"%08x"}\n' % (body, crc32(body)))
    nf.init(storage=storage, sign=True)
    assert nf.run(slow.bind(3), workflow_id="second") == (3, 3) and not sprung.exists()
    nf.shutdown()


def test_what_is_secret_is_compared_in_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    before = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or before(a, b))
    signer = Signer(b"key")
    assert signer.check("a", b"b", signer.mac("a", b"b")) and not signer.check("a", b"b", "")
    assert key.same("token", "token") and not key.same("tok", "token")
    link = Link("run", 1.0, 1).to_text(b"secret")
    assert Link.of(link, b"secret") is not None and Link.of(link + "x", b"secret") is None
    assert len(compared) == 6


def test_a_storage_object_says_itself_whether_it_signs(tmp_path: Path) -> None:
    assert FolderStorage(tmp_path / "s", sign=True).signed and not FolderStorage(tmp_path / "s").signed
    nf.shutdown()
    with pytest.raises(ValueError, match="FolderStorage"):
        nf.init(storage=FolderStorage(tmp_path / "s"), sign=True)
    nf.shutdown()

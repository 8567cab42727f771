"""Canary values in secrets are in no file of the storage, in nothing that was printed, and in nothing that is shown."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import nbflow as nf
from nbflow.cli import main
from nbflow.executors.heard import heard
from nbflow.home import open_storage
from nbflow.views import Feed, Snapshot, to_bundle, to_dot, to_html, to_svg, to_text
from tests import figures

ROOT = Path(__file__).resolve().parents[2]
CANARY = 'canary-7f3b"\\-of the test'
LINES = "-----BEGIN KEY-----\ncanarycanarycanary=\n-----END KEY-----\n"
PARTS = (CANARY, json.dumps(CANARY)[1:-1], repr(CANARY)[1:-1], "canary-7f3b", "canarycanarycanary")

PROGRAM = """
    import asyncio, logging, sys, time
    import nbflow as nf

    nf.init(storage=sys.argv[1], executor=sys.argv[2])
    token, key, elsewhere = nf.Secret("TOKEN"), nf.Secret("KEY"), sys.argv[2] == "process"

    class Client:
        def __init__(self, token):
            self.token = token
        def __repr__(self):
            return f"Client({self.token.get()})"

    def prints(token, key):
        print("the token is", token.get(), {"a": token.get()}, repr(token.get()))
        print(key.get(), file=sys.stderr)
        for piece in (token.get()[:9], token.get()[9:], "\\n"):
            sys.stderr.write(piece) if elsewhere else None
        logging.getLogger("mine").warning("with %s", token.get())
        return len(token.get())

    def raises(token):
        local = token.get()
        try:
            raise KeyError(local)
        except KeyError:
            raise ValueError(f"no way with {local}", {"token": local})

    async def raises_later(token):
        await asyncio.sleep(0)
        raise RuntimeError(token.get())

    def gives(token):
        return {"password": [token.get()]}

    def gives_much(token):
        return token.get().encode() * 5000

    def gives_client(token):
        return Client(token)

    def attempt(name, what, *args, **options):
        try:
            value = nf.run(nf.task(what, name=name, **options).bind(*args), workflow_id=name)
            print(name, type(value).__name__ if isinstance(value, Client) else value)
        except Exception as error:
            import traceback
            traceback.print_exc()

    attempt("prints", prints, token, key)
    attempt("raises", raises, token)
    attempt("retried", raises, token, retries=1, retry_delay=0)
    attempt("caught", raises, token, catch_exceptions=True)
    attempt("later", raises_later, token)
    attempt("gives", gives, token)
    attempt("much", gives_much, token)
    attempt("client", gives_client, token)
    token.get(), key.get()  # from here on this process knows them too
    for given in (token.get(), [token.get()], {token.get(): 1}, key.get()):
        try:
            nf.run(nf.task(len, name="given").bind(given))
        except nf.errors.CheckpointError as error:
            print("refused:", error)
    here = token.get()
    attempt("global", lambda: len(here))
    attempt("default", lambda x=here: len(x))
    asked = nf.wait_for_event(nf.ButtonListener, f"Use {token}?", message=f"It is {token}")
    asks = nf.run_async(asked, workflow_id="asks")
    while not asks.questions:
        time.sleep(0.01)
    try:
        print(asks.send("other", {"token": token.get()}))
    except Exception as error:
        print("refused:", error)
    print(asks.answer(asks.questions[0], "approve"))
    print(asks.result(60))
    print(nf.list_runs())
    for name, _ in nf.list_all():
        print(nf.get_metadata(name), nf.get_progress(name))
    nf.shutdown()
"""


def found_in(content: str | bytes) -> list[str]:
    """Return the canaries that are in a content."""
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return [part for part in PARTS if part.encode() in raw]


def swept(folder: Path) -> dict[str, list[str]]:
    """Return the files below a folder that have a canary in them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    figures.count("bad inputs", len(files))
    return {str(path): found for path in files if (found := found_in(_read(path)))}


def _read(path: Path) -> bytes:
    """Return what is in a file, with what is in its pickles."""
    raw = path.read_bytes()
    return b"\n".join(
        [
            raw,
            *(
                base64.b64decode(text)
                for text in re.findall(rb'"([A-Za-z0-9+/]{16,}={0,2})"', raw)
                if len(text) % 4 == 0
            ),
        ]
    )


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_secret_is_in_no_file_and_in_nothing_that_is_printed(tmp_path: Path, executor: str) -> None:
    storage = tmp_path / "storage"
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    done = subprocess.run(
        [sys.executable, str(program), str(storage), executor], capture_output=True, text=True, timeout=300,
        cwd=tmp_path, env={**os.environ, "TOKEN": CANARY, "KEY": LINES, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert found_in(said) == [], said
    assert said.count("********") >= 10 and "refused: " in said
    assert "prints 25" in said and "global 25" in said, said
    assert swept(storage) == {}


def test_a_log_masks_what_was_written_in_pieces_and_an_error_keeps_its_kind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", CANARY)

    def uses(token: nf.Secret) -> None:
        for letter in f"with {token.get()} in pieces\n":
            sys.stdout.write(letter)
        raise LookupError(token.get(), 7)

    run = nf.run_async(nf.task(uses, name="uses").bind(nf.Secret("TOKEN")), workflow_id="uses")
    with pytest.raises(nf.errors.WorkflowExecutionError) as caught:
        run.result(60)
    assert run.logs("uses") == "with ******** in pieces\n"
    cause = caught.value.__cause__
    assert type(cause) is LookupError and cause.args == ("********", 7)
    nf.shutdown()
    assert swept(folder) == {}


def test_what_a_body_prints_on_a_cluster_is_masked_before_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", CANARY)
    heard_there: list[tuple[str, str]] = []
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # as it was, when this is over
    with heard(lambda kind, text: heard_there.append((kind, text))):
        token = nf.Secret("TOKEN").get()
        print("it is", token)
        sys.stdout.write(token)
        sys.stdout.flush()
        sys.stderr.write(token)
    assert heard_there == [("stdout", "it is ********\n"), ("stdout", "********"), ("stderr", "********")]


def test_a_command_gets_a_secret_in_its_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbflow.rules import BashOperator, Flow

    monkeypatch.setenv("TOKEN", CANARY)
    command = 'echo "it is $HERE"; test "$HERE" = "$TOKEN" && echo "${#HERE}"'
    with Flow("shell") as flow:
        BashOperator("uses", command, env={"HERE": nf.Secret("TOKEN")})
    assert flow.run(workflow_id="shell") == {"uses": str(len(CANARY))}
    assert nf.get_run("shell").logs("uses#1").splitlines()[0] == "it is ********"
    nf.shutdown()
    assert swept(folder) == {}


def test_a_secret_is_in_no_view_of_what_was_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKEN", CANARY)
    nf.shutdown()
    nf.init(storage=tmp_path / "storage", durability="lazy")
    token = nf.Secret("TOKEN")

    def uses(token: nf.Secret) -> None:
        print("with", token.get())
        raise ValueError(token.get())

    class Shown:
        """Looks its token up when it is shown."""

        def __init__(self) -> None:
            self.token = token

        def _repr_html_(self) -> str:
            return f"<b>{self.token.get()}</b>"

    ask = nf.wait_for_event(nf.ButtonListener, "Go?", message="with a token", show=Shown())
    asking = nf.run_async(nf.task(lambda a: a, name="after").bind(ask), workflow_id="asks")
    run = nf.run_async(nf.task(uses, name="uses").bind(token), workflow_id="uses")
    with pytest.raises(nf.errors.WorkflowExecutionError) as caught:
        run.result(60)
    shown = [str(caught.value), str(caught.value.__cause__), repr(run), run.logs("uses"), *run.story("uses")]
    for each in (run, asking):
        snapshot = each._snapshot()
        shown += [to_html(snapshot), to_svg(snapshot), to_text(snapshot), to_dot(snapshot).source]
        shown += [json.dumps(to_bundle(snapshot)), json.dumps(Feed(each.state).full(), default=str)]
        shown += [each.to_dataframe().to_html()]
        shown += [json.dumps(nf.get_metadata(each.workflow_id), default=str)]
        assert Snapshot.of(each.state, 0.0) is not None
    asking.cancel()
    nf.shutdown()
    for words in (
        ["show", "uses"],
        ["story", "uses", "uses"],
        ["logs", "uses", "uses"],
        ["show", "asks", "--json"],
        ["list"],
    ):
        main([*words, "--storage", str(tmp_path / "storage")])
        shown.append("".join(capsys.readouterr()))
    assert [text for text in shown if found_in(text)] == [] and any("********" in text for text in shown)
    assert open_storage(tmp_path / "storage").exists("uses")
    assert swept(tmp_path / "storage") == {}

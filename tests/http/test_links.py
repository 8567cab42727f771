"""A link to one question: it shows and answers that question and opens nothing else."""

from __future__ import annotations

import base64
import datetime as dt
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbflow as nf
from nbflow.engine.notify import Notification
from nbflow.errors import WorkflowNotFoundError
from nbflow.http import key
from nbflow.http.endpoint import Endpoint
from nbflow.http.links import Link
from tests.engine.tools import VirtualClock, finish, script, until
from tests.http import senders


@nf.task
def join(*parts: Any) -> str:
    return " ".join(map(str, parts))


def asking(workflow_id: str = "asks", **options: Any) -> nf.Run:
    """Start a run that asks."""
    question = nf.wait_for_event(nf.ButtonListener, "Publish?", **options)
    run = nf.run_async(join.bind(question, nf.wait_for_event("end")), workflow_id=workflow_id)
    until(lambda: run.questions)
    return run


def state(link: str) -> Any:
    return senders.get(f"{link}/state").json


def answer(link: str, option: str = "approve", **more: Any) -> senders.Answer:
    return senders.post(f"{link}/answer", {"option": option, **more})


def test_a_link_shows_its_question_and_takes_its_answer(endpoint: Endpoint) -> None:
    run = asking(message="**Ready**", assigned_to="ana")
    link = run.link("Publish?")
    page = senders.get(link)
    assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Publish" not in page.text  # who only looks at the page's text, as chats do, is told nothing
    ask = state(link)["ask"]
    assert (ask["state"], ask["subject"], ask["body"], ask["assigned"]) == ("open", "Publish?", "**Ready**", ["ana"])
    said = answer(link, comment="good", by="Bo")
    assert said.status == 200 and said.json["status"] == "delivered"
    node = run.state.nodes[run.state.index["publish"]]
    decision = (node.value or {})["v"]
    assert decision | {"at": 0} == {
        "option": "approve", "values": {}, "comment": "good", "by": "Bo", "source": "link", "at": 0,
    }  # fmt: skip
    done = state(link)["ask"]
    assert (done["state"], done["answer"], done["by"]) == ("done", "approve", "Bo")


def test_a_question_is_decided_once_and_who_comes_late_is_told_by_whom(endpoint: Endpoint) -> None:
    run = asking()
    links = [run.link("publish", by=name) for name in ("ana", "bo")]
    assert state(links[0])["by"] == "ana"
    assert answer(links[0], "reject").status == 200
    late = answer(links[1])
    assert late.status == 409
    assert late.json["decision"]["option"] == "reject" and late.json["decision"]["by"] == "ana"


def test_who_got_the_link_answers_in_no_other_name(endpoint: Endpoint) -> None:
    run = asking()
    assert answer(run.link("publish", by="ana"), by="the boss", source="x", at=1).status == 200
    decision = (run.state.nodes[run.state.index["publish"]].value or {})["v"]
    assert decision["by"] == "ana" and decision["source"] == "link" and decision["at"] > 1


def test_a_link_opens_nothing_else(endpoint: Endpoint) -> None:
    run = asking()
    other = asking("other")
    link = run.link("publish")
    token = link.rpartition("/")[2]
    event = {"event_key": "end", "event_payload": 1}
    assert senders.post(endpoint.event_url("asks"), event, token).status == 401
    assert senders.post(f"{link}/answer", event).status in (400, 422)
    assert answer(link, "approve", workflow_id="other", event_key="end").status == 200
    assert other.questions == ["publish"] and not other.state.inbox.waiting()
    assert run.status == "RUNNING"


@pytest.mark.parametrize("part", ["content", "signature", "all", "none", "long"])
def test_a_link_that_was_changed_is_none(part: str, endpoint: Endpoint) -> None:
    run = asking()
    link = run.link("publish")
    head, _, token = link.rpartition("/")
    content, _, signature = token.partition(".")
    words = json.loads(base64.urlsafe_b64decode(content + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([words[0], words[1], words[2] + 1, None, "boss"]).encode()).decode()
    spoilt = {
        "content": f"{forged.rstrip('=')}.{signature}", "signature": f"{content}.{signature[:-2]}AA",
        "all": "x.y", "none": content, "long": f"{'A' * 9000}.{signature}",
    }[part]  # fmt: skip
    for answered in (
        senders.get(f"{head}/{spoilt}"),
        senders.get(f"{head}/{spoilt}/state"),
        answer(f"{head}/{spoilt}"),
    ):
        assert answered.status == 404
    assert run.questions == ["publish"]


@given(text=st.text(alphabet=st.characters(max_codepoint=300), max_size=80))
def test_no_text_is_taken_for_a_link(text: str) -> None:
    assert Link.of(text, b"secret") is None


@given(
    st.builds(Link, st.text(st.characters(exclude_categories=("Cs",)), max_size=30), st.floats(0, 1e10),
              st.integers(1, 10**6), st.none() | st.floats(0, 1e10), st.text(max_size=20))
)  # fmt: skip
def test_a_link_says_what_it_was_made_from(link: Link) -> None:
    text = link.to_text(b"secret")
    assert Link.of(text, b"secret") == link
    assert Link.of(text, key.link_key("another")) is None


def test_a_link_expires(endpoint: Endpoint) -> None:
    run = asking()
    for expires in (-1, dt.timedelta(seconds=-1)):
        link = endpoint.link(run, "publish", expires=expires)
        assert [senders.get(link).status, senders.get(f"{link}/state").status, answer(link).status] == [410] * 3
    lasting = state(endpoint.link(run, "publish", expires=None))
    assert lasting["expires"] is None
    week = state(endpoint.link(run, "publish"))["expires"]
    assert 0 < time.time() + 7 * 86400 - week < 60


def test_a_link_dies_with_its_question(endpoint: Endpoint) -> None:
    run = asking()
    link = run.link("publish")
    run.cancel()
    until(lambda: run.state.status == "CANCELED")
    assert state(link)["ask"]["state"] == "closed"
    assert answer(link).status == 410
    nf.delete("asks")
    assert senders.get(f"{link}/state").status == 410
    again = asking()
    assert senders.get(f"{link}/state").status == 410 and answer(link).status == 410
    assert again.questions == ["publish"]


def test_a_question_whose_time_was_up_takes_no_answer(clock: VirtualClock, endpoint: Endpoint) -> None:
    run = asking(timeout=5)
    link = run.link("publish")
    clock.advance(6)
    until(lambda: run.status == "FAILED")
    assert state(link)["ask"]["state"] == "closed"
    assert answer(link).status == 410
    assert run.state.inbox.waiting() == []


def test_only_an_open_question_gets_a_link(endpoint: Endpoint) -> None:
    run = asking()
    with pytest.raises(ValueError, match=r"no open question 'end'; open now: 'publish'"):
        run.link("end")
    with pytest.raises(WorkflowNotFoundError):
        endpoint.link("nobody", "publish")


def test_an_answer_that_does_not_fit_is_refused_by_field(endpoint: Endpoint) -> None:
    def fields(share: int) -> None: ...

    run = nf.run_async(nf.wait_for_event(nf.FormListener, "Release?", fields), workflow_id="form")
    until(lambda: run.questions)
    link = run.link("release")
    refused = answer(link, "submit", values={"share": "x"})
    assert refused.status == 422 and refused.json["errors"] == {"share": "Must be a whole number"}
    for bad in ({"values": 5}, {"comment": 5}, {"by": 5}, {"by": "x" * 101}):
        assert answer(link, "submit", **bad).status == 400
    assert answer(link, "submit", values={"share": "3"}).status == 200
    assert run.result(10)["share"] == 3


def test_who_answers_again_and_again_is_told_to_wait(endpoint: Endpoint) -> None:
    link = asking().link("publish")
    told = [answer(link, "maybe").status for _ in range(20)]
    assert told[0] == 422 and told[-1] == 429


def test_a_page_of_another_site_cannot_answer_but_can_be_where_the_link_stands(endpoint: Endpoint) -> None:
    link = asking().link("publish")
    said = {"option": "approve"}
    assert senders.post(f"{link}/answer", said, Origin="https://evil.example").status == 403
    assert senders.post(f"{link}/answer", said, Sec_Fetch_Site="cross-site").status == 403
    assert senders.post(f"{link}/answer", b"option=approve", Content_Type="text/plain").status == 415
    opened = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert senders.get(link, **opened).status == 200
    assert senders.get(f"{link}/state", **opened).status == 403


def test_the_page_may_run_its_own_script_and_be_framed_by_nobody(endpoint: Endpoint) -> None:
    page = senders.get(asking().link("publish"))
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
    assert page.headers["Referrer-Policy"] == "no-referrer" and page.headers["X-Frame-Options"] == "DENY"
    for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css")):
        asset = senders.get(f"{endpoint.url}/{name}")
        assert asset.status == 200 and asset.headers["Content-Type"].startswith(kind)


def test_an_answer_waits_for_a_run_that_nobody_runs(endpoint: Endpoint) -> None:
    run = nf.run_async(nf.wait_for_event(nf.ButtonListener, "Publish?"), workflow_id="rests")
    until(lambda: run.questions)
    link = run.link("publish")
    run.detach()
    shown = state(link)
    assert shown["rests"] and shown["ask"]["state"] == "open" and shown["ask"]["options"]
    kept = answer(link, by="ana")
    assert kept.status == 202
    assert answer(link, "reject").status in (202, 409)
    assert nf.resume("rests") == "approve"


def test_a_question_of_another_process_is_answered_over_a_link(endpoint: Endpoint, folder: Path) -> None:
    owner = script("""
        import sys
        import nbflow as nf
        nf.init(storage=sys.argv[1])
        run = nf.run_async(nf.wait_for_event(nf.ButtonListener, "Publish?"), workflow_id="theirs")
        while not run.questions:
            pass
        print("up", flush=True)
        print(run.result(), flush=True)
        nf.shutdown()
    """, folder)  # fmt: skip
    assert owner.stdout is not None and owner.stdout.readline() == "up\n"
    link = endpoint.link("theirs", "publish")
    assert not state(link)["rests"]
    assert answer(link, by="ana").status == 200
    assert "approve" in finish(owner)
    assert state(link)["ask"]["by"] == "ana"
    assert answer(link).status == 409


def test_a_notification_carries_a_link_that_works(endpoint: Endpoint, tmp_path: Path) -> None:
    file = str(tmp_path / "told")

    def tell(about: Notification) -> None:
        Path(f"{file}.part").write_text(about.link)
        Path(f"{file}.part").rename(file)

    run = nf.run_async(nf.wait_for_event(nf.ButtonListener, "Publish?", notify=tell), workflow_id="tells")
    until(Path(file).exists)
    assert answer(Path(file).read_text(), by="ana").status == 200
    assert run.result(10).by == "ana"

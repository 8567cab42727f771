"""Frames: every change is noticed, and a torn tail is told from damage."""

from __future__ import annotations

import json
import random
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.storage import frames as frames_module
from nbflow.storage.frames import FIRST, Frame, decode_frame, encode_frame, every_frame, glance, scan
from tests import figures

SALT = 0x1234ABCD
RECORDS = [[json.dumps({"t": "x", "n": n, "text": "abc" * n})] for n in range(6)]
FRAMES = [encode_frame(1 + n, records, SALT) for n, records in enumerate(RECORDS)]
LOG = b"".join(FRAMES)


def found(raw: bytes) -> tuple[list[str], str]:
    """Return the records that are read from a log, encoded, and the damage."""
    frames: list[Frame] = []
    damage = scan(raw, 0, SALT, 1, frames.append).damage
    return [json.dumps(record) for frame in frames for record in frame.records], damage


ALL = found(LOG)[0]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(), part, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(), json_values, max_size=5), max_size=5), st.integers(0, 2**32 - 1))
def test_records_come_back_as_they_were(records: list[dict[str, object]], salt: int) -> None:
    raw = encode_frame(7, [json.dumps(record) for record in records], salt, more=bool(salt % 2))
    frame = decode_frame(raw, 0, salt)
    assert frame is not None
    assert (frame.seq, frame.records, frame.more, frame.end) == (7, records, bool(salt % 2), len(raw))


def test_the_form_is_the_documented_one() -> None:
    assert encode_frame(3, ['{"t":"a"}', '{"t":"b"}'], 0) == b'{"q":3,"n":[{"t":"a"},{"t":"b"}],"crc":"d11f467b"}\n'


def test_a_frame_of_another_segment_is_no_frame() -> None:
    assert decode_frame(FRAMES[0], 0, SALT + 1) is None


@pytest.mark.parametrize("record", ["{\n}", '"\xe9"'])
def test_what_would_break_the_line_is_refused(record: str) -> None:
    with pytest.raises(ValueError):
        encode_frame(1, [record], 0)


def test_a_log_cut_at_any_byte_gives_the_frames_before_the_cut_and_is_not_damaged() -> None:
    ends = [len(b"".join(FRAMES[: n + 1])) for n in range(len(FRAMES))]
    for cut in range(len(LOG) + 1):
        records, damage = found(LOG[:cut])
        assert damage == ""
        assert records == ALL[: sum(end <= cut for end in ends)]


@pytest.mark.parametrize("length", [0, 10, FIRST - 20, 2 * FIRST])
@pytest.mark.parametrize("others", [0, 1, 500])
def test_a_glance_at_a_frame_tells_its_number_its_first_record_and_whether_there_are_more(
    length: int, others: int
) -> None:
    raw = encode_frame(7, [json.dumps({"t": "seg", "text": "x" * length}), *['{"t":"y"}'] * others], SALT)
    whole, glimpse = decode_frame(raw, 0, SALT), glance(raw, 0, SALT)
    assert whole is not None and glimpse is not None
    assert (glimpse.seq, glimpse.records[0], glimpse.end) == (7, whole.records[0], len(raw))
    assert bool(glimpse.records[1:]) == bool(others)


def test_a_glance_sees_a_broken_frame_as_broken() -> None:
    raw = FRAMES[3]
    for place in range(len(raw)):
        broken = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        assert glance(broken, 0, SALT) is None
    assert glance(raw[:-1], 0, SALT) is None and glance(raw, 0, SALT ^ 1) is None


def test_a_large_frame_is_decoded_record_by_record(monkeypatch: pytest.MonkeyPatch) -> None:
    at_one_go: list[int] = []
    whole = json.loads
    monkeypatch.setattr(json, "loads", lambda text: at_one_go.append(len(text)) or whole(text))
    raw = encode_frame(7, ['{"t":"x","more":[{}]}'] * 40_000, SALT, more=True)
    found = decode_frame(raw, 0, SALT)
    assert found == Frame(7, [{"t": "x", "more": [{}]}] * 40_000, True, 0, len(raw))
    assert len(raw) > 3 * frames_module.AT_ONCE and max(at_one_go) < frames_module.AT_ONCE


def test_large_frames_and_small_ones_are_read_alike_whatever_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    bodies = [raw[: raw.index(b',"crc"')] for raw in FRAMES] + [
        *(b'{"q":1,"n":[]', b'{"q":1,"n":[{},]', b'{"q":1,"n":[{} , {} ]', b'{"q":1,"n":[{}', b'{"q":1,"n":[{}]]'),
        *(b'{"q":1,"n":[{};{}]', b'{"q":1,"n":["\xc3\xa9"]', b'{"q":1,"n":["\xe9"]', b'{"q":1,"n":{}', b'{"q":1,"n":['),
        *(b'{"q":1,"n":[{}],"m":1,"mac":"0"', b'{"q":1,"n":[{}]]},"m":1', b'{"q":1,"n":[' + b"[" * 99_999),
    ]
    for _ in range(3000):
        body = bytearray(chance.choice(bodies[:-1]))
        body[chance.randrange(len(body))] = chance.choice(b'{}[],: "\\n1')
        bodies.append(bytes(body))
    for body in bodies:
        raw = b'%b,"crc":"%08x"}\n' % (body, crc32(body, SALT))
        found = []
        for limit in (0, 1 << 20):
            monkeypatch.setattr(frames_module, "AT_ONCE", limit)
            found.append(decode_frame(raw, 0, SALT))
        assert found[0] == found[1], body
        figures.count("bad inputs")


def test_a_tail_of_nuls_is_a_torn_tail() -> None:
    for cut in range(len(LOG) - len(FRAMES[-1]), len(LOG)):
        assert found(LOG[:cut] + bytes(500)) == (ALL[:-1], "")


def test_a_valid_frame_after_a_bad_one_is_damage() -> None:
    for place in range(len(LOG) - len(FRAMES[-1])):
        broken = LOG[:place] + bytes([LOG[place] ^ 1]) + LOG[place + 1 :]
        records, damage = found(broken)
        assert damage
        assert records == ALL[: len(records)]


def test_a_missing_or_doubled_frame_is_damage() -> None:
    for frames in ([*FRAMES[:3], *FRAMES[4:]], [*FRAMES[:3], FRAMES[2], *FRAMES[3:]]):
        records, damage = found(b"".join(frames))
        assert "in the place of frame 4" in damage
        assert records == ALL[:3]


def _broken(raw: bytes, chance: random.Random) -> bytes:
    """Return the log with one fault: cut, flip, zero, delete, double, splice."""
    a, b = sorted(chance.sample(range(len(raw) + 1), 2))
    kind = chance.randrange(6)
    if kind == 0:
        return raw[:a]
    if kind == 1:
        place = min(a, len(raw) - 1)
        return raw[:place] + bytes([raw[place] ^ (1 << chance.randrange(8))]) + raw[place + 1 :]
    if kind == 2:
        return raw[:a] + bytes(b - a) + raw[b:]
    if kind == 3:
        return raw[:a] + raw[b:]
    if kind == 4:
        return raw[:b] + raw[a:]
    c = chance.randrange(len(raw))
    return raw[:a] + raw[c : c + b - a] + raw[b:]


def test_no_fault_changes_a_record_in_silence(soak: bool) -> None:
    chance = random.Random(20)
    for _ in range(200_000 if soak else 10_000):
        records, _ = found(_broken(LOG, chance))
        assert records == ALL[: len(records)]
        figures.count("bad inputs")


def test_all_that_can_be_read_is_found_behind_damage() -> None:
    broken = LOG.replace(FRAMES[2], FRAMES[2].replace(b"abc", b"abd"))
    assert [frame.seq for frame in every_frame(broken, 0, SALT)] == [1, 2, 4, 5, 6]

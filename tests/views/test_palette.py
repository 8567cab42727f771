"""Every state can be told from the others without its colour, and every word can be read."""

from __future__ import annotations

from nbflow.views.palette import ACTIVE, BAR_ORDER, LOOKS, WORST_FIRST


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_word_has_a_contrast_of_four_and_a_half_to_one_or_better() -> None:
    for look in LOOKS.values():
        for colours, paper in ((look.light, "#ffffff"), (look.dark, "#15191f")):
            assert contrast(colours.ink, colours.fill) >= 4.5, look.word
            assert contrast(colours.ink, paper) >= 4.5, look.word


def test_no_two_states_share_a_letter_a_word_a_glyph_or_an_icon() -> None:
    for part in ("code", "word", "glyph", "icon"):
        assert len({getattr(look, part) for look in LOOKS.values()}) == len(LOOKS) == 11


def test_every_order_has_every_letter_once() -> None:
    assert sorted(WORST_FIRST) == sorted(BAR_ORDER) == sorted(LOOKS)
    assert WORST_FIRST.startswith(ACTIVE)

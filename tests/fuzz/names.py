"""Names that nobody should give, and everybody may: for runs, tasks, keys, namespaces, and the command line."""

from __future__ import annotations

import random
import unicodedata

SEEDS = (
    "run", "Run", "RUN", "straße", "STRASSE", "é", "e\u0301", "\u212b", "ﬁle", "file", "ı", "i", "İ", "K", "\u212a",
    "con", "CON", "nul.txt", "com1", "lpt9.log", "aux.", "prn ", "clock$", "...", "..", ".", "~", "-", "--help", "-rf",
    "../../etc/passwd", "..\\..\\windows", "/etc/passwd", "C:\\x", "\\\\host\\share", "a/b/c", "a\\b", "a:b", "a|b",
    "a b", " a", "a ", "a.", ".a", "%00", "%2e%2e%2f", "$HOME", "`id`", "$(id)", "; rm -rf /", "&& id", "'", '"',
    "*", "?", "[a-z]", "!", "#", "a\nb", "a\rb", "a\tb", "\0", "a\0b", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07",
    "\x9b31m", "\x7f", "\x08\x08\x08", "\u202egpj.exe", "\u2066a\u2069", "a\u200bb", "\ufeffa", "\ufffe", "\U0010ffff",
    "日本語", "עברית", "العربية", "👩‍👩‍👧‍👦", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A", "<script>alert(1)</script>", "null", "true",
    "nbflow.json", "runs", "trash", "cache", "events", "inbox", "j-00000001.jsonl", "http-token", "run~0123456789",
    "a" * 79, "a" * 80, "a" * 81, "a" * 255, "é" * 255, "👩" * 255, "1e9", "--storage", "@file", "\u2028", "\u2029",
)  # fmt: skip


def name(chance: random.Random) -> str:
    """Return a name: one that is known to be bad, two of them joined, a twin of it, or any letters at all."""
    found = chance.choice(SEEDS)
    match chance.randrange(6):
        case 0:
            found += chance.choice(SEEDS)
        case 1:
            found = unicodedata.normalize(chance.choice(("NFC", "NFD", "NFKC", "NFKD")), found)
        case 2:
            found = chance.choice((str.upper, str.lower, str.swapcase, str.title))(found)
        case 3:
            found = "".join(chr(chance.randrange(1, 0xD7FF)) for _ in range(chance.randrange(1, 60)))
        case _:
            pass
    return found[:255] or "x"

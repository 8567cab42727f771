"""Sign what a storage holds, so that nobody who can write to it brings code into the kernel that opens it.

Values and functions are pickles, and to load a pickle is to run it. A signed frame ends with an HMAC-SHA256 over its
content and over the place where it belongs (which run, which segment): nothing unsigned, changed or moved from another
place is ever loaded. Large values are files named by their sha256, and the name stands in a signed frame.

The key belongs to one user and is kept outside the storage, in ``signing-key`` of the user's own folder for settings
(``$XDG_CONFIG_HOME/nbflow`` or ``~/.config/nbflow``, on Windows ``%APPDATA%\\nbflow``); it is made on first use. On
another machine the variable ``NBFLOW_SIGNING_KEY`` holds the content of that file. It is never printed.

What a signature cannot tell: that the end of the newest journal was cut off, or that all of a run was put back to an
older state. Both are states that this user once signed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
import sys
from typing import Any, NamedTuple

from nbflow.errors import SignatureError, StorageError

from .os_calls import OS, discard, make_folder, put_in_place, write_file

VARIABLE, KEY_VARIABLE = "NBFLOW_SIGN", "NBFLOW_SIGNING_KEY"
SHORTEST = 32
"""Characters that a key has at least."""
DIGITS = 64
"""Characters of a signature."""
_YES, _NO = frozenset({"1", "on", "yes", "true"}), frozenset({"", "0", "off", "no", "false"})


class Signer:
    """Signs with one key. Equal keys make equal signatures, in any process and on any machine.

    >>> signer = Signer(b"a key that nobody else has")
    >>> mac = signer.mac("run 1", b"what was said")
    >>> signer.check("run 1", b"what was said", mac), signer.check("run 2", b"what was said", mac)
    (True, False)
    """

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"nbflow signing key: " + key).digest()

    def mac(self, what: str, data: bytes) -> str:
        """Return the signature, 64 hexadecimal digits, of some data that belongs to the place ``what``."""
        place = what.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, b"%d:%b%b" % (len(place), place, data), "sha256").hex()

    def check(self, what: str, data: bytes, mac: str) -> bool:
        """Tell whether a signature is that of the data in its place, in a time that does not tell where it differs."""
        return hmac.compare_digest(self.mac(what, data).encode("ascii"), mac.encode("utf-8", "replace"))

    def __repr__(self) -> str:
        return "<Signer>"

    def __reduce__(self) -> Any:
        raise TypeError("A Signer holds a key: it is never pickled.")


class Seal(NamedTuple):
    """A signer for one place; ``where`` is how a person names that place.

    >>> seal = Seal(Signer(b"a key"), '["frame","9f","1"]', "run 'churn'")
    >>> seal.check(b"content", seal.mac(b"content"))
    """

    signer: Signer
    what: str
    where: str

    def mac(self, data: bytes) -> str:
        """Return the signature of what belongs here."""
        return self.signer.mac(self.what, data)

    def check(self, data: bytes, mac: str) -> None:
        """Raise SignatureError unless the data was signed for this place, with this key."""
        if not self.signer.check(self.what, data, mac):
            raise SignatureError(
                f"{self.where} is not signed with the key that is here, or somebody changed or moved it since: nothing "
                f"of it was loaded. If it is from another machine, set {KEY_VARIABLE} to the content of the "
                "signing-key there. If it is from this one, take the folder from a backup."
            )


def seal_of(signer: Signer, where: str, *what: str | int) -> Seal:
    """Return the seal of a place that is named by a list of words."""
    return Seal(signer, json.dumps(what, separators=(",", ":")), where)


class RunSeals(NamedTuple):
    """The seals of one run. Without a signer what is not signed passes, and what is signed is checked all the same."""

    signer: Signer | None
    workflow_id: str

    def header(self, number: int, signed: bool) -> Seal | None:
        """Return the seal of a segment's header; ``signed`` is what it says of itself. Raises SignatureError."""
        where = f"The journal of run {self.workflow_id!r} (segment {number})"
        signer = signer_for(self.signer, signed, where, f"nbflow sign {self.workflow_id}")
        return seal_of(signer, where, "header", self.workflow_id, number) if signer is not None else None

    def frames(self, header: Seal, run: str, number: int, salt: int) -> Seal:
        """Return the seal of the frames behind a header that was checked."""
        return seal_of(header.signer, header.where, "frame", run, number, salt)

    def event(self, run: str, name: str) -> Seal | None:
        """Return the seal of an event in the inbox, which is in the file ``name``."""
        if self.signer is None:
            return None
        return seal_of(self.signer, f"The inbox of run {self.workflow_id!r} ({name})", "event", run, name)


def signer_for(signer: Signer | None, signed: bool, where: str, remedy: str) -> Signer | None:
    """Return who checks a thing that says of itself whether it is signed; None when nobody needs to.

    With a ``signer`` everything must be signed. Without one, what is signed is checked with the key that is here.
    Raises SignatureError.
    """
    if not signed and signer is not None:
        raise SignatureError(
            f"{where} is not signed, and here everything must be: nothing of it was loaded. If you trust whoever could "
            f"write to the folder: {remedy}. Else delete it."
        )
    if not signed or signer is not None:
        return signer
    found = known_signer()
    if found is None:
        raise SignatureError(
            f"{where} is signed, and the key is not here: set {KEY_VARIABLE} to the content of "
            f"{key_path()!r} on the machine where it was made."
        )
    return found


def find_signer(sign: bool | None, *, default: bool) -> Signer | None:
    """Return the signer of this user, or None when nothing is to be signed.

    ``sign`` None means what ``NBFLOW_SIGN`` says, else ``default``. The key is made when there is none. Raises
    ValueError for a variable that says neither yes nor no, StorageError when the key cannot be used.
    """
    if sign is None:
        said = os.environ.get(VARIABLE, "").strip().lower()
        if said not in _YES | _NO:
            raise ValueError(f"{VARIABLE}={said!r}: say 1 (sign) or 0.")
        sign = said in _YES or (not said and default)
    if not sign:
        return None
    return known_signer() or _make_key()


def known_signer() -> Signer | None:
    """Return the signer of this user when there is a key; none is made. Raises StorageError when it cannot be used."""
    text = os.environ.get(KEY_VARIABLE, "").strip()
    if text:
        return _signer(text, KEY_VARIABLE)
    path = key_path()
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"The signing key {path!r} cannot be read: {error.strerror}.") from error
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode) or (sys.platform != "win32" and mode & 0o077):
            raise StorageError(f"Others can read the signing key {path!r}: run `chmod 600 {path}`.")
        return _signer(os.read(fd, 4096).decode("ascii", "replace").strip(), path)
    finally:
        os.close(fd)


def key_path() -> str:
    """Return where the key of this user is kept."""
    if sys.platform == "win32":
        folder = os.environ.get("APPDATA") or os.path.expanduser("~")
    else:
        folder = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(os.path.abspath(folder), "nbflow", "signing-key")


def _make_key() -> Signer:
    calls, path = OS(), key_path()
    folder = os.path.dirname(path)
    temporary = f"{path}.{secrets.token_hex(4)}"
    try:
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        make_folder(calls, folder)
        write_file(calls, temporary, secrets.token_hex(32).encode("ascii"), sync=True)
        put_in_place(calls, temporary, path)  # of two processes that make it at once one is first
        calls.fsync_dir(folder)
    except OSError as error:
        raise StorageError(
            f"The signing key cannot be kept in {path!r}: {error.strerror}. Set {KEY_VARIABLE} to {SHORTEST} random "
            "characters or more that stay the same."
        ) from error
    finally:
        discard(calls, temporary)
    signer = known_signer()
    assert signer is not None
    return signer


def _signer(text: str, where: str) -> Signer:
    if len(text) < SHORTEST:
        raise StorageError(f"{where} holds no key: it needs {SHORTEST} characters or more.")
    return Signer(text.encode("utf-8", "surrogateescape"))

"""The token of a storage: who has it may send events to all runs in it.

256 random bits in the file ``http-token`` of the storage folder, readable by its owner only, made on first use and the
same after a restart and for every process that serves the storage. Remove the file, and the token and all links that
were made with it are void as soon as those processes end.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import sys

from ..errors import StorageError
from ..storage.base import Storage
from ..storage.folder import FolderStorage
from ..storage.os_calls import OS, discard, put_in_place, write_file

FILE = "http-token"
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")


def token_of(storage: Storage) -> str:
    """Return the token of a storage; of one that is no folder a new one each time.

    Raises StorageError when the file cannot be made, holds no token, or can be read by others.
    """
    if not isinstance(storage, FolderStorage):
        return secrets.token_urlsafe(32)
    storage.check_writable()
    return _read(storage.url) or _make(storage.url)


def known_token(storage: Storage) -> str | None:
    """Return the token of a storage folder that has one; nothing is made. Raises StorageError as ``token_of`` does."""
    return _read(storage.url) if isinstance(storage, FolderStorage) else None


def link_key(token: str) -> bytes:
    """Return the key that signs links; it does not tell the token."""
    return hmac.digest(token.encode("ascii"), b"nbflow: links to one question", hashlib.sha256)


def same(given: str, token: str) -> bool:
    """Tell whether a token is the right one, in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode("ascii"))


def signature(content: bytes, key: bytes) -> str:
    """Return the signature of a content, as it stands in a URL."""
    return base64.urlsafe_b64encode(hmac.digest(key, content, hashlib.sha256)).rstrip(b"=").decode("ascii")


def _read(folder: str) -> str | None:
    calls, path = OS(), f"{folder}/{FILE}"
    try:
        mode = calls.stat(path).st_mode
        token = calls.read_plain(path, 4096).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except ValueError:
        raise StorageError(f"{path} holds no token: remove it, and a new one is made.") from None
    except OSError as error:
        raise StorageError(f"The token in {path} cannot be read: {error.strerror}.") from error
    if sys.platform != "win32" and mode & 0o077 and not _shows_all_as_open(calls, folder):
        raise StorageError(f"Others can read the token in {path}: remove that file, and a new one is made.")
    if not _SHAPE.fullmatch(token):
        raise StorageError(f"{path} holds no token: remove it, and a new one is made.")
    return token


def _make(folder: str) -> str:
    calls = OS()
    temporary = f"{folder}/{FILE}.{calls.random_hex(4)}"
    try:
        write_file(calls, temporary, secrets.token_urlsafe(32).encode("ascii"), sync=True)
        put_in_place(calls, temporary, f"{folder}/{FILE}")  # of two processes that make it at once one is first
        calls.fsync_dir(folder)
    except OSError as error:
        raise StorageError(f"The token cannot be written to {folder!r}: {error.strerror}.") from error
    finally:
        discard(calls, temporary)
    token = _read(folder)
    assert token is not None
    return token


def _shows_all_as_open(calls: OS, folder: str) -> bool:
    """Tell whether the file system shows a private file as open to others: some mounts know no modes."""
    probe = f"{folder}/probe-{calls.random_hex(4)}"
    try:
        write_file(calls, probe, b"", sync=False)
        return bool(calls.stat(probe).st_mode & 0o077)
    except OSError:
        return False
    finally:
        discard(calls, probe)

"""What a failed system call means to a person: one place turns OSError into the errors of nbflow."""

from __future__ import annotations

import errno
from types import TracebackType

from nbflow.errors import Fenced, StorageError, StorageFull, StorageReadOnly

_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def storage_error(error: OSError, where: str) -> StorageError:
    """Return the StorageError that says what happened at ``where`` and what to do next."""
    if error.errno == errno.ENOENT:
        return Fenced(f"Somebody deleted {where} meanwhile; this process stops writing to it.")
    if error.errno in _FULL:
        return StorageFull(
            f"No space is left for {where} ({error.strerror}). Nothing was acknowledged and nothing is lost: "
            "free some space (or ask for more quota), and the run goes on from its last checkpoint."
        )
    if error.errno in _READ_ONLY:
        return StorageReadOnly(
            f"{where} cannot be written ({error.strerror}). Choose a folder that you may write: "
            "nbflow.init(storage='some/folder'), or the environment variable NBFLOW_STORAGE."
        )
    return StorageError(f"{where}: {error.strerror or error}. What was acknowledged before is safe.")


class storage_errors:
    """Turn the OSErrors of the block into StorageErrors; that a thing exists already is an answer, and passes."""

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, OSError) and not isinstance(error, FileExistsError):
            raise storage_error(error, self._where) from error


def poisoned(name: str, cause: StorageError | None) -> StorageError:
    """Return the error of a commit to a journal that takes none any more; no ``cause`` is that it was closed."""
    if cause is None:
        return StorageError(f"The journal of {name} is closed: open the run again to go on.")
    return type(cause)(f"The journal of {name} takes no more commits: open the run again to go on. {cause}")

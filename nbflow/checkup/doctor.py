"""The doctor: looks at everything that nbflow needs, and says what works here and what not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .. import home
from . import folder, surroundings
from .finding import BAD, GOOD, NOTE, Checkup, Finding


def doctor(storage: Any = None) -> Checkup:
    """Look at everything that nbflow needs here, and return it as a table: what works, what not, what to type.

    ``storage`` is the folder to look at (default: the one in use, else ``NBFLOW_STORAGE``, else ``./.nbflow``). A few
    files are written into a folder of their own there, synced, and removed; a storage is neither made nor opened. It
    takes well under a second on a local disk, and raises nothing. No secret is shown: of most settings only that they
    are set. The command ``nbflow doctor`` prints the same.

    >>> import nbflow as nf
    >>> found = nf.doctor(storage=".")
    >>> [each.verdict for each in found.findings if each.name in ("writable", "rename")]
    ['good', 'good']
    """
    return Checkup([*_all(storage)])


def _all(storage: Any) -> Iterator[Finding]:
    yield from surroundings.python()
    yield from surroundings.kernel(sys.modules)
    yield from _storage(storage)
    yield from surroundings.environment(os.environ)
    yield from surroundings.packages()


def _storage(storage: Any) -> Iterator[Finding]:
    path = _path_of(storage)
    scheme = "memory" if path.startswith("memory:") else path.partition("://")[0] if "://" in path else ""
    if not scheme:
        yield from folder.checked(os.path.abspath(path))
    elif scheme == "memory":
        yield Finding("storage", "memory", NOTE, "runs are gone with this process", "nbflow.init(storage='folder')")
    else:
        place = urlsplit(path)
        said = f"{scheme}://{place.hostname or ''}{place.path}"  # no user, no password, no query
        have = surroundings.version_of("obstore")
        verdict, remedy = (GOOD, "") if have else (BAD, "pip install 'nbflow[s3]'")
        yield Finding("storage", "object store", verdict, f"{said} (it was not asked)", remedy)


def _path_of(storage: Any) -> str:
    """Return the folder or address that is meant."""
    if storage is None and home.is_open():
        storage = home.default_host().storage
    if storage is None:
        storage = os.environ.get("NBFLOW_STORAGE") or "./.nbflow"
    return str(getattr(storage, "url", storage))

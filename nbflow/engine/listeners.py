"""The listeners that come with nbflow: a person who chooses, a person who fills in a form, and an HTTP client."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..core.decision import Decision
from ..core.fields import schema_of
from ..core.masking import mask_all
from ..dag.event import InboxListener, Wait
from ..dag.node import Node
from .notify import targets_of
from .show import bundle


class HTTPListener(InboxListener):
    """Wait for an event of ``event_key`` (default: the node's id), wherever it comes from; its value is the payload.

    An endpoint that takes events over HTTP is started by itself, on this machine only, unless the environment says
    ``NBFLOW_HTTP=off``; one line says where it is. See ``nbflow.serve``.

    >>> import nbflow as nf
    >>> run = nf.run_async(nf.wait_for_event(nf.HTTPListener, event_key="invoice"), workflow_id="books")
    >>> nf.serve().event_url("books").endswith("/event/send_event/books")
    True
    >>> bool(run.send("invoice", {"total": 12})), run.result()
    (True, {'total': 12})
    """

    quick = True

    def wait(self, node_id: str, now: float, event_key: str = "") -> Wait:
        """Return a wait for the key."""
        return Wait(event_key or node_id)


class ButtonListener(InboxListener):
    """Ask a person to choose. The value is a ``Decision``: the chosen option as a string, with who, when and why.

    ``title`` is the question, ``message`` more of it in markdown, ``options`` the buttons, ``show`` a value to look
    at (a table, a figure, anything with a rich display; usually a node), kept so that it can be shown after a
    restart. ``timeout`` in seconds with ``on_timeout`` (one of the options) decides without a person, else passing
    it is a failure. ``default`` is the option that Enter chooses; ``assigned_to`` names who should answer: a label,
    not a lock; ``require_comment`` asks for a reason.

    ``notify`` is told once when the question opens: a function of a ``Notification`` (title, message, workflow_id,
    node_id, options, assigned_to, link; it is stored as code is, and so is what it holds), ``"env:NAME"`` for the
    variable that holds an address of apprise (extra ``notify``), or a list of them. What cannot be sent is tried again,
    and the run does not wait for it.

    >>> import nbflow as nf
    >>> told = []
    >>> ok = nf.wait_for_event(nf.ButtonListener, "Publish?", notify=told.append)
    >>> nf.wait_for_event(nf.ButtonListener, "Publish?", notify="slack://token@channel")
    Traceback (most recent call last):
    ...
    ValueError: notify= takes no address, since it would stand in the storage with its password: put it into ...
    """

    kind = "button"

    @classmethod
    def node_name(cls, *args: Any, **kwargs: Any) -> str:
        """Return the question as a name: 'Publish this model?' is publish_this_model."""
        title = args[0] if args else kwargs.get("title")
        words = re.findall(r"\w+", title.lower()) if isinstance(title, str) else []
        return "_".join(words)[:40].strip("_") or cls.__name__

    @classmethod
    def check(cls, *args: Any, **kwargs: Any) -> None:
        """Refuse an address among those to notify: what is given here is stored. Raises TypeError, ValueError."""
        if not isinstance(kwargs.get("notify"), Node):
            targets_of(kwargs.get("notify"))

    def wait(
        self,
        node_id: str,
        now: float,
        title: str,
        *,
        message: str = "",
        options: Sequence[str] = ("approve", "reject"),
        show: Any = None,
        fields: Any = None,
        values: dict[str, Any] | None = None,
        default: str | None = None,
        timeout: float | None = None,
        on_timeout: str | None = None,
        assigned_to: str | Sequence[str] = (),
        require_comment: bool = False,
        notify: Any = None,
    ) -> Wait:
        """Return the wait and its question. Raises ValueError when the question contradicts itself."""
        names = _options(title, options, default, on_timeout, timeout)
        prompt = {
            "kind": self.kind,
            "title": str(title),
            "message": message,
            "options": names,
            "fields": self._fields(fields, values),
            "default": default,
            "on_timeout": on_timeout,
            "show": bundle(show),
            "assigned_to": [assigned_to] if isinstance(assigned_to, str) else list(assigned_to),
            "require_comment": require_comment,
        }
        deadline = None if timeout is None else now + float(timeout)
        fallback = Decision(on_timeout, at=deadline or 0.0, source="timeout").to_json() if on_timeout else None
        return Wait(node_id, deadline, fallback, on_timeout is not None, mask_all(prompt), targets_of(notify))

    def _fields(self, fields: Any, values: dict[str, Any] | None) -> Any:
        if fields is None:
            return None
        form = schema_of(fields)
        for name, value in (values or {}).items():
            if name not in form.get("properties", {}):
                known = ", ".join(form["properties"])
                raise ValueError(f"values={{{name!r}: ...}}: the form has no such field; there are {known}.")
            form["properties"][name]["default"] = value
        return form


class FormListener(ButtonListener):
    """Ask a person to fill in a form. ``fields`` is a signature, dataclass, pydantic model or JSON schema.

    The value is a ``Decision`` whose ``values`` are the fields: ``decision["name"]``. The rest is as in ButtonListener.

    >>> import nbflow as nf
    >>> from nbflow.testing import answers
    >>> def order(name: str, count: int = 1): ...
    >>> with answers(order={"name": "ana", "count": 3}):
    ...     nf.run(nf.wait_for_event(nf.FormListener, "Order", fields=order)).values
    {'name': 'ana', 'count': 3}
    """

    kind = "form"

    def wait(
        self,
        node_id: str,
        now: float,
        title: str,
        fields: Any = None,
        *,
        options: Sequence[str] = ("submit",),
        **rest: Any,
    ) -> Wait:
        """Return the wait and its form."""
        if fields is None:
            raise ValueError(f"The form {title!r} needs fields: a function, dataclass, pydantic model or JSON schema.")
        return super().wait(node_id, now, title, fields=fields, options=options, **rest)


def _options(
    title: str, options: Sequence[str], default: str | None, on_timeout: str | None, timeout: float | None
) -> list[str]:
    """Return the options of a question. Raises ValueError when they contradict each other."""
    names = [str(option) for option in options]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"The question {title!r} needs options, each one once; it has {names}.")
    for option, what in ((default, "default"), (on_timeout, "on_timeout")):
        if option is not None and option not in names:
            raise ValueError(f"{what}={option!r} of the question {title!r} is none of its options {names}.")
    if on_timeout is not None and timeout is None:
        raise ValueError(f"The question {title!r} says on_timeout={on_timeout!r}, but it has no timeout.")
    return names

"""A state machine as it is written: handlers that a decorator enters by name, each checked when it is defined."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, TypeVar, overload

from ..core.fields import schema_of
from ..core.graph import Json
from ..core.inbox import RESERVED
from ..core.machine import COMPLETE, EVENT, FAIL, START, STEP, WAIT
from . import registry
from .convert import ANY, hints_of
from .directives import Duration, seconds_of
from .payloads import Parameter, Parameters

F = TypeVar("F", bound=Callable[..., Any])
QUERY = "query"
_CHOICES = {"wait": WAIT, "wait_for_event": WAIT, "complete": COMPLETE, "fail": FAIL, "continue_as_new": START}


class Handler:
    """One function of a workflow. ``kind`` is start, step, event or query; ``timeout`` in seconds, None for ever."""

    def __init__(
        self, workflow_type: str, kind: str, name: str, function: Callable[..., Any], timeout: Duration | None = None,
        on_error: str | None = None, coerce: bool = False,
    ) -> None:  # fmt: skip
        if not callable(function):
            raise TypeError(f"@{kind}() goes on a function, not on {function!r}")
        self.workflow_type = workflow_type
        self.kind, self.name, self.function = kind, name, function
        self.timeout = None if timeout is None else seconds_of(timeout)
        self.on_error = _choice("on_error", on_error, ("fail", "set_aside", None))
        self.parameters = _parameters(self, coerce)

    @property
    def is_async(self) -> bool:
        """True for a coroutine function, which runs on the engine's loop; others run in a thread."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def signature(self) -> str:
        """The handler as an error message names it."""
        return f"{self.function.__name__}(ctx{''.join(', ' + p.name for p in self.parameters.named)})"

    def check(self, args: tuple[Any, ...], arguments: dict[str, Any]) -> None:
        """Raise TypeError when the handler cannot be called with these arguments after ``ctx``."""
        try:
            inspect.signature(self.function).bind(None, *args, **arguments)
        except TypeError as error:
            raise TypeError(f"{self.name!r} of {self.workflow_type!r} cannot be run with that: {error}") from None

    @functools.cached_property
    def prompt(self) -> Json | None:
        """What a person is asked who may send this event; None when no form can hold its parameters."""
        try:
            fields = schema_of(self._bare())
        except Exception:
            return None
        if self.parameters.more:
            return None
        doc = inspect.getdoc(self.function) or ""
        return {
            "kind": "form" if fields["properties"] else "button",
            "title": _label(self.name),
            "message": doc.split("\n\n")[0],
            "options": [self.name],
            "fields": fields if fields["properties"] else None,
        }

    def _bare(self) -> Callable[..., Any]:
        """Return a function with the parameters after ``ctx`` and their annotations as types."""

        def bare() -> None: ...

        _, *rest = inspect.signature(self.function).parameters.values()
        known = {each.name: each.annotation for each in self.parameters.named if each.annotation is not ANY}
        bare.__annotations__ = known
        bare.__dict__["__signature__"] = inspect.Signature(
            [each.replace(annotation=known.get(each.name, ANY), kind=each.KEYWORD_ONLY) for each in rest]
        )
        return bare

    def __reduce__(self) -> Any:
        # with the annotations as they were understood here: what their names meant does not travel with the code
        return (_rebuilt, (self.workflow_type, self.kind, self.name, self.function, self.timeout, self.on_error,
                           self.parameters))  # fmt: skip


class Workflow:
    """A state machine: a start, steps, and events that it waits for; each handler says what comes next.

    Handlers are plain or async functions whose first parameter is the ``Context``; a plain one runs in a thread. They
    return what ``ctx.next`` makes. A cell that is run again replaces its handlers, in runs that wait too. ``on_error``
    is what happens when the handler of an event raises: ``"fail"`` fails the run, which can be resumed with that same
    event; ``"set_aside"`` puts the event aside for a person and waits for the next one.

    >>> import nbflow as nf
    >>> order = nf.Workflow("Greeting")
    >>> @order.start()
    ... def start(ctx, name: str):
    ...     ctx.store.put("name", name)
    ...     return ctx.next.wait_for_event()
    >>> @order.event()
    ... def greet(ctx, word: str = "Hello"):
    ...     return ctx.next.complete(f"{word}, {ctx.store.get('name')}")
    >>> run = nf.start_workflow(order, workflow_id="greeting-1", workflow_input={"name": "Ann"})
    >>> run.send("greet", {"word": "Good morning"}).status in ("delivered", "queued")
    True
    >>> run.result()
    'Good morning, Ann'
    """

    driver = "machine"

    def __init__(self, workflow_type: str, *, on_error: str = "fail") -> None:
        if not isinstance(workflow_type, str) or not workflow_type.strip():
            raise ValueError(f"a workflow needs a type, a text that is not empty, not {workflow_type!r}")
        self.name = self.workflow_type = workflow_type
        self.on_error = str(_choice("on_error", on_error, ("fail", "set_aside")))
        self.handlers: dict[tuple[str, str], Handler] = {}
        registry.register(self)

    # ---- decorators ----

    @overload
    def start(self, function: F, /) -> F: ...
    @overload
    def start(self, function: None = None, /, *, timeout: Duration | None = None) -> Callable[[F], F]: ...
    def start(self, function: Any = None, /, *, timeout: Duration | None = None) -> Any:
        """Enter the handler that begins a run; it gets the input. Raises ValueError for a second one."""
        return self._enter(START, None, function, timeout=timeout)

    @overload
    def step(self, function: F, /) -> F: ...
    @overload
    def step(self, function: None = None, /, *, timeout: Duration | None = None) -> Callable[[F], F]: ...
    def step(self, function: Any = None, /, *, timeout: Duration | None = None) -> Any:
        """Enter a step, which runs when a handler or a timeout chooses it. Without ``timeout`` it may take for ever."""
        return self._enter(STEP, None, function, timeout=timeout)

    @overload
    def event(self, name: F, /) -> F: ...
    @overload
    def event(
        self, name: str | None = None, /, *, timeout: Duration | None = None, on_error: str | None = None,
        coerce: bool = False,
    ) -> Callable[[F], F]: ...  # fmt: skip
    @overload
    def event(
        self, /, *, name: str | None = None, timeout: Duration | None = None, on_error: str | None = None,
        coerce: bool = False,
    ) -> Callable[[F], F]: ...  # fmt: skip
    def event(self, name: Any = None, /, **options: Any) -> Any:
        """Enter the handler of an event, called as the function unless ``name`` says otherwise.

        ``timeout`` limits the handler, ``on_error`` is that of the workflow unless given here, ``coerce=True`` reads
        "7" as 7 where a number is wanted.
        """
        function = name if callable(name) else None
        name = options.pop("name", None if function is not None else name)
        return self._enter(EVENT, name, function, **options)

    @overload
    def query(self, name: F, /) -> F: ...
    @overload
    def query(self, name: str | None = None, /) -> Callable[[F], F]: ...
    def query(self, name: Any = None, /) -> Any:
        """Enter a function that ``run.query(name)`` calls: it reads the store and changes nothing."""
        function = name if callable(name) else None
        return self._enter(QUERY, None if function is not None else name, function)

    def _enter(self, kind: str, name: Any, function: Any, **options: Any) -> Any:
        if name is not None and (not isinstance(name, str) or not name):
            raise TypeError(f"@{kind}(name) takes a text that is not empty, not {name!r}")

        def enter(function: Any) -> Any:
            entered = str(name or getattr(function, "__name__", ""))
            self._check(kind, entered, function)
            self.handlers[kind, entered] = Handler(self.workflow_type, kind, entered, function, **options)
            registry.changed(self)
            return function

        return enter if function is None else enter(function)

    def _check(self, kind: str, name: str, function: Any) -> None:
        """Raise ValueError for a name that would be ambiguous. The same function again replaces what it was."""
        own = f"{self.workflow_type!r}"
        if not name and callable(function):
            raise TypeError(f"a handler of {own} has no name: give @event(name=...), or a function made with def")
        if kind == START and any(other != name for k, other in self.handlers if k == START):
            raise ValueError(f"{own} has a start already, {self.start_name!r}; a workflow has one. To begin anew, run "
                             f"the cell with Workflow({own}) again.")  # fmt: skip
        known = self.handlers.get((kind, name))
        if known is not None and known.function.__qualname__ != getattr(function, "__qualname__", ""):
            raise ValueError(f"{own} has a handler of {kind} {name!r} already, {known.function.__name__!r}. To replace "
                             f"it with another function, run the cell with Workflow({own}) again.")  # fmt: skip
        clash = next((k for k, other in self.handlers if other == name and k != kind and QUERY not in (k, kind)), None)
        if clash is not None:
            raise ValueError(f"{name!r} is a name of {own} already, of its {clash}: an event and a step need names "
                             "of their own, since events come from outside and steps do not.")  # fmt: skip
        if kind == EVENT and (name.startswith(RESERVED) or re.search(r"@\d+$", name)):
            raise ValueError(f"no event may be called {name!r}: such names are nbflow's own")

    # ---- reading ----

    @property
    def functions(self) -> tuple[Any, ...]:
        """The functions, in a fixed order: by them a change is seen."""
        return tuple(self.handlers[key].function for key in sorted(self.handlers))

    @property
    def start_name(self) -> str:
        """The name of the start. Raises ValueError when there is none."""
        for kind, name in self.handlers:
            if kind == START:
                return name
        raise ValueError(f"{self.workflow_type!r} has no start: put @workflow.start() on a function")

    @property
    def step_names(self) -> list[str]:
        """The names of the steps, in order of definition."""
        return [handler.name for handler in self.of_kind(STEP)]

    @property
    def event_names(self) -> list[str]:
        """The names of the events, in order of definition."""
        return [handler.name for handler in self.of_kind(EVENT)]

    @property
    def query_names(self) -> list[str]:
        """The names of the queries, in order of definition."""
        return [handler.name for handler in self.of_kind(QUERY)]

    def of_kind(self, kind: str) -> Iterator[Handler]:
        """Yield the handlers of a kind."""
        return (handler for (of, _), handler in self.handlers.items() if of == kind)

    def handler(self, name: str, *kinds: str) -> Handler:
        """Return a handler that is no query, of one of these kinds if any are given. Raises ValueError."""
        for kind in kinds or (START, STEP, EVENT):
            if (kind, name) in self.handlers:
                return self.handlers[kind, name]
        raise ValueError(f"{self.workflow_type!r} has no handler {name!r}; it has {', '.join(self._names()) or 'none'}")

    def step_of(self, step: Any) -> Handler:
        """Return the step that a function or a name means. Raises ValueError with the steps that there are."""
        name = step if isinstance(step, str) else getattr(step, "__name__", repr(step))
        found = self.handlers.get((STEP, name))
        if found is None:
            known = ", ".join(map(repr, self.step_names)) or "none"
            raise ValueError(
                f"{self.workflow_type!r} has no step {name!r}; there are: {known}. Put @workflow.step() on it."
            )
        return found

    def under(self, newer: Workflow) -> Workflow:
        """Return the newer one's handlers, and these where it has none (yet: its cells may be running)."""
        merged = Workflow.__new__(Workflow)
        merged.name = merged.workflow_type = self.workflow_type
        merged.on_error = newer.on_error
        names = {name for kind, name in newer.handlers if kind != QUERY}
        has_start = any(kind == START for kind, _ in newer.handlers)
        merged.handlers = {
            (kind, name): handler
            for (kind, name), handler in self.handlers.items()
            if kind == QUERY or (name not in names and not (kind == START and has_start))
        } | newer.handlers
        return merged

    def _names(self) -> list[str]:
        return [name for kind, name in self.handlers if kind != QUERY]

    def form(self) -> Json:
        """Return what the machine is made of as JSON, for the journal, the doors and the views."""
        return {
            "type": self.workflow_type,
            "start": self.start_name,
            "steps": self.step_names,
            "events": {h.name: {**h.parameters.form(), "prompt": h.prompt} for h in self.of_kind(EVENT)},
            "queries": self.query_names,
            "moves": [move for h in self.handlers.values() if h.kind != QUERY for move in self._moves(h)],
        }

    def _moves(self, handler: Handler) -> list[list[str]]:
        """Return the moves from a handler, as far as its code names steps and choices."""
        words = _words(getattr(inspect.unwrap(handler.function), "__code__", None))
        steps = [word for word in dict.fromkeys(words) if (STEP, word) in self.handlers and word != handler.name]
        chosen = dict.fromkeys(self.start_name if do == START else do for w in words if (do := _CHOICES.get(w)))
        begins = handler.name if {"step", "sleep"} & {*words} else WAIT  # else it names them for a timeout
        return [*([begins, step] for step in steps), *([handler.name, end] for end in chosen)]

    def __repr__(self) -> str:
        return f"<workflow {self.workflow_type!r}: {', '.join(self._names()) or 'no handlers yet'}>"


def _words(code: CodeType | None) -> list[str]:
    """Return the names and texts that stand in code, and in the code inside it."""
    if code is None:
        return []
    words = [*code.co_names, *code.co_freevars]
    for constant in code.co_consts:
        if isinstance(constant, str):
            words.append(constant)
        elif isinstance(constant, CodeType):
            words += _words(constant)
    return words


def _parameters(handler: Handler, coerce: bool) -> Parameters:
    """Return what a handler takes after ``ctx``. Raises TypeError for a signature that no event can call."""
    where = f"handler {handler.name!r} of {handler.workflow_type!r}"
    hints = hints_of(handler.function)
    first, *rest = inspect.signature(handler.function).parameters.values() or (None,)
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        raise TypeError(f"{where} needs ctx as its first parameter: def {handler.name}(ctx, ...)")
    named, more = [], False
    for each in rest:
        if each.kind in (each.VAR_POSITIONAL, each.POSITIONAL_ONLY):
            raise TypeError(f"{where} has {str(each)!r}: its arguments come by name, so it takes no such parameter")
        if each.kind is each.VAR_KEYWORD:
            more = True
            continue
        named.append(Parameter(each.name, hints.get(each.name, ANY), each.default is each.empty))
    return Parameters(tuple(named), more, coerce)


def _rebuilt(
    workflow_type: str, kind: str, name: str, function: Any, timeout: float | None, on_error: str | None,
    parameters: Parameters,
) -> Handler:  # fmt: skip
    handler = Handler(workflow_type, kind, name, function, timeout, on_error)
    handler.parameters = parameters
    return handler


def _choice(option: str, value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise ValueError(f"{option} is one of {', '.join(repr(c) for c in choices if c)}, not {value!r}")
    return value


def _label(name: str) -> str:
    text = re.sub(r"[_.]+", " ", name).strip()
    return text[:1].upper() + text[1:]

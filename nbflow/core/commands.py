"""What the engine must do next, as small values in the imperative, to be carried out once their record is durable."""

from __future__ import annotations

from .cheap import cheap


class Command:
    """The base of all commands."""

    __slots__ = ()


@cheap
class StartTask(Command):
    """Run the body of a node; answer with TaskSucceeded, TaskGrew, TaskAttemptFailed or TaskFailed."""

    node: int
    attempt: int


@cheap
class StartRetry(Command):
    """At the moment ``at``, answer with RetryDue."""

    node: int
    attempt: int
    at: float


@cheap
class OpenWait(Command):
    """Work out what a node waits for; answer with WaitOpened."""

    node: int


@cheap
class KeepWait(Command):
    """A wait is open: set its timer, poll its listener, show its question."""

    node: int
    token: int


@cheap
class CloseWait(Command):
    """A wait is over: drop its timer, its poll and its question."""

    node: int
    token: int


@cheap
class CommitEvent(Command):
    """Tell the source of a listener's event that it is durable; answer with ListenerCommitted."""

    node: int


@cheap
class WrapCaught(Command):
    """A node that catches exceptions grew, and its continuation is done: answer with its TaskSucceeded."""

    node: int
    output: int


@cheap
class CatchFailure(Command):
    """A node that catches exceptions grew, and ``failed`` below it failed: answer with its TaskSucceeded."""

    node: int
    failed: int


@cheap
class StopTask(Command):
    """Stop the body of a node: nobody needs its result any more."""

    node: int


@cheap
class DropValue(Command):
    """No unfinished node needs the value of this one: it may leave memory."""

    node: int


@cheap
class Acknowledge(Command):
    """Tell the sender of an event what became of it: delivered, queued, duplicate, rejected or closed."""

    event_id: str
    status: str
    node: int | None = None


@cheap
class EventKept(Command):
    """An event that no node waited for is in the inbox: tell the driver of the run."""

    event_id: str


@cheap
class CallEnded(Command):
    """A call of a driver has its value, failed for good, or was stopped: tell the driver."""

    owner: int
    node: int


@cheap
class FinishRun(Command):
    """The output is there: answer with RunSucceeded."""


@cheap
class FailRun(Command):
    """A node failed and nobody caught it: answer with RunFailed."""

    node: int

"""The rows of the systems that nbflow follows are run on a real folder, with a fresh host for each."""

from tests.engine.conftest import clock, folder, host, limit

__all__ = ["clock", "folder", "host", "limit"]

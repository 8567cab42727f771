"""Many senders at once, in a process of their own: each has a connection, and sends its next event after an answer.

python -m tests.bench.senders URL TOKEN SENDERS SECONDS [RUNS]: prints JSON of how each event was answered.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from urllib.parse import urlsplit

ROOM = 1000
"""Events that one run waits for."""


class Senders:
    """So many senders, for so many seconds."""

    def __init__(self, url: str, token: str, seconds: float, runs: int) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.token, self.runs = str(parts.hostname), parts.port, token, runs
        self.end = time.monotonic() + seconds
        self.numbers = itertools.count()
        self.answers: list[tuple[str, int, float]] = []
        """The id of each event, the status of its answer (0: none came), and how many seconds that took."""

    async def one(self) -> None:
        """Send until the time is up."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        while time.monotonic() < self.end:
            number = next(self.numbers)
            if number >= self.runs * ROOM:
                break
            began = time.monotonic()
            writer.write(self._request(number))
            status = await self._status(reader)
            self.answers.append((f"e{number}", status, time.monotonic() - began))
        writer.close()

    def _request(self, number: int) -> bytes:
        body = json.dumps({"event_key": "load", "event_payload": {"n": number}, "event_id": f"e{number}"}).encode()
        head = (
            f"POST /event/send_event/load-{number // ROOM} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def _status(self, reader: asyncio.StreamReader) -> int:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length")
        )
        await reader.readexactly(length)
        return int(head.split()[1])


async def main(url: str, token: str, senders: int, seconds: float, runs: int) -> None:
    """Let all senders send, and print what they were answered."""
    all_of_them = Senders(url, token, seconds, runs)
    began = time.monotonic()
    await asyncio.gather(*(all_of_them.one() for _ in range(senders)))
    print(json.dumps({"took": time.monotonic() - began, "answers": all_of_them.answers}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])))

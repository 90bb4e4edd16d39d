"""All requests that the emulator received, for tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One request and how it ended.

    ```python
    client.embed(["a red shoe"])
    entry = emulator.ledger.requests[0]
    print(entry.method, entry.status, entry.texts)
    ```
    ```text
    POST 200 ['a red shoe']
    ```

    Attributes:
        method: HTTP method, in upper case.
        path: Path of the URL.
        query: Parameters of the URL.
        headers: Names are in lower case; empty after the body was dropped.
        body: The parsed JSON body, or None. Old entries drop their bodies (see `Ledger`).
        size: Bytes of the body as it was sent.
        digest: SHA-256 of these bytes, in hexadecimal; it is never dropped.
        status: HTTP status of the reply; 0 if the connection was broken before any byte.
        tokens: Billed tokens, also if the reply was lost.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    size: int
    digest: str
    status: int
    tokens: int

    @property
    def texts(self) -> list[str]:
        """Texts in the body, in order, whatever the route."""
        return list(_texts(self.body)) if isinstance(self.body, dict) else []


MAX_BODY_BYTES = 64 * 2**20


class Ledger:
    """
    A list of entries that many threads may write and read.

    ```python
    client.embed(["a red shoe", "a blue hat"])
    print(len(emulator.ledger), emulator.ledger.texts, emulator.ledger.in_flight_max)
    emulator.ledger.clear()
    ```
    ```text
    1 ['a red shoe', 'a blue hat'] 1
    ```

    Args:
        max_body_bytes: Upper bound on the bodies kept, in bytes as they were sent. Beyond it, the oldest entries lose
            body and headers and keep their digest, so that a million pictures do not fill the memory.
    """

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._lock = Lock()
        self._max_body_bytes = max_body_bytes
        self._entries: list[Entry] = []
        self._whole: deque[int] = deque()  # places of the entries that have their body
        self._body_bytes = 0
        self._in_flight = 0
        self._in_flight_max = 0

    @property
    def requests(self) -> list[Entry]:
        """All entries, in order of arrival."""
        with self._lock:
            return list(self._entries)

    @property
    def texts(self) -> list[str]:
        """Every text of every request whose body is kept, in order of arrival."""
        return [text for entry in self.requests for text in entry.texts]

    @property
    def statuses(self) -> list[int]:
        """The status of every answer, in order of arrival."""
        return [entry.status for entry in self.requests]

    @property
    def tokens(self) -> int:
        """Tokens billed so far."""
        return sum(entry.tokens for entry in self.requests)

    @property
    def in_flight_max(self) -> int:
        """The most requests that were open at one time."""
        with self._lock:
            return self._in_flight_max

    def clear(self) -> None:
        """Remove all entries; requests that are open stay counted."""
        with self._lock:
            self._entries.clear()
            self._whole.clear()
            self._body_bytes = 0
            self._in_flight_max = self._in_flight

    def add(self, entry: Entry) -> None:
        """
        Append an entry; the emulator calls this.

        Args:
            entry: A finished request.
        """
        with self._lock:
            self._whole.append(len(self._entries))
            self._entries.append(entry)
            self._body_bytes += entry.size
            while self._body_bytes > self._max_body_bytes:
                place = self._whole.popleft()
                old = self._entries[place]
                self._body_bytes -= old.size
                self._entries[place] = replace(old, body=None, headers={})

    @contextmanager
    def flight(self) -> Iterator[None]:
        """Count a request as open for as long as the block runs."""
        with self._lock:
            self._in_flight += 1
            self._in_flight_max = max(self._in_flight_max, self._in_flight)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.requests)

    def __getitem__(self, index: int) -> Entry:
        return self.requests[index]


def _texts(body: dict[str, Any]) -> Iterator[str]:
    content = body.get("input")
    if isinstance(content, dict):
        content = content.get("texts") or content.get("contents")
    for part in [content] if isinstance(content, str) else content or ():
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]

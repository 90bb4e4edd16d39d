"""`Emulator`: the app with a clock, used in-process or on a socket."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from types import TracebackType

from volc_dashscope.emulator import transport
from volc_dashscope.emulator.app import App, Hook
from volc_dashscope.emulator.faults import Choice, Faults, Plan
from volc_dashscope.emulator.ledger import MAX_BODY_BYTES, Ledger
from volc_dashscope.emulator.server import Server


class Emulator:
    """
    Both services, offline.

    ```python
    from volc_dashscope import Client

    emulator = Emulator(latency=0.001)
    client = Client("text-embedding-v4", api_key="any", http_client=emulator.http_client())
    client.embed(["a red shoe"])
    print(emulator.ledger.texts, emulator.ledger.statuses)
    ```
    ```text
    ['a red shoe'] [200]
    ```

    An emulator of the protocol, not a model: vectors are deterministic and have little meaning.

    Args:
        faults: A plan (see `volc_dashscope.emulator.faults`) or a `Faults`.
        latency: Delay of every reply, in seconds.
        rpm: Requests per minute for each model, enforced per second; None means no limit.
        tpm: Tokens per minute for each model, likewise.
        seed: Random seed of request ids and faults.
        aliases: Further model names or endpoint ids, each with its model. Any other `ep-…` id
            is doubao-embedding-vision-251215.
        job_seconds: Duration of file jobs and batches, in seconds.
        batch_errors_in_output: Write failed lines of a batch to its output file, as seen once in the live service.
        ledger_bytes: Limit for the request bodies in the ledger, in bytes; older requests keep only their digest.
        clock: Returns the time in Unix seconds, for jobs, uploads and rate limits.

    Raises:
        ValueError: A limit of 0, a negative time, or an unknown fault.
    """

    def __init__(
        self,
        faults: Plan | Faults = None,
        latency: float = 0,
        rpm: float | None = None,
        tpm: float | None = None,
        seed: int = 0,
        *,
        aliases: Mapping[str, str] | None = None,
        job_seconds: float = 0.0,
        batch_errors_in_output: bool = False,
        ledger_bytes: int = MAX_BODY_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        for name, amount in (("rpm", rpm), ("tpm", tpm)):
            if amount is not None:
                _check(name, amount, above=True)
        _check("latency", latency)
        _check("job_seconds", job_seconds)
        _check("ledger_bytes", ledger_bytes)
        self.app = App(
            clock=clock,
            faults=faults if isinstance(faults, Faults) else Faults(faults, seed=seed),
            latency=latency,
            rpm=rpm,
            tpm=tpm,
            seed=seed,
            aliases=aliases,
            job_seconds=job_seconds,
            batch_errors_in_output=batch_errors_in_output,
            ledger_bytes=ledger_bytes,
        )
        self._clock = clock
        self._server: Server | None = None

    @property
    def ledger(self) -> Ledger:
        """All requests that were received."""
        return self.app.ledger

    def http_client(self) -> transport.SyncClient:
        """Return a sync client that sends every request to this emulator, whatever the host."""
        return transport.client(self.app)

    def http_async_client(self) -> transport.AsyncClient:
        """Return an async client that sends every request to this emulator, whatever the host."""
        return transport.async_client(self.app)

    def fail(self, *choices: Choice) -> None:
        """
        Make the next requests fail.

        Args:
            choices: One for each request: a `Fault`, its kind as text, or None for a request that succeeds.
        """
        self.app.faults.add(*choices)

    def reply_with(self, hook: Hook | None) -> None:
        """
        Let a function replace every reply.

        Args:
            hook: Called as `hook(request, response)`. It returns a `Response`, bytes for the body, any JSON value (sent
                with status 200), or None to send the response unchanged. None removes the hook.
        """
        self.app.hook = hook

    def publish(self, name: str, data: bytes) -> str:
        """
        Store a file for async jobs and return the `oss://` URL to submit.

        Args:
            name: File name; it ends in .txt for file jobs.
            data: Content of the file.
        """
        return self.app.uploads.put(name, data, self._clock())

    def start(self, port: int = 0) -> Emulator:
        """
        Listen on 127.0.0.1, and return this emulator.

        Args:
            port: 0 picks a free port.

        Raises:
            OSError: The port is in use.
        """
        if self._server is None:
            self._server = Server(self.app, port)
            self._server.start()
        return self

    def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """
        Scheme, host and port of the socket.

        Raises:
            RuntimeError: The emulator is not listening.
        """
        if self._server is None:
            raise RuntimeError("the emulator is not listening; call start() first")
        return self._server.url

    @property
    def ark_url(self) -> str:
        """Base URL of Ark."""
        return f"{self.url}/api/v3"

    @property
    def dashscope_url(self) -> str:
        """Base URL of native DashScope."""
        return f"{self.url}/api/v1"

    @property
    def compatible_url(self) -> str:
        """Base URL of DashScope's OpenAI-compatible routes."""
        return f"{self.url}/compatible-mode/v1"


def _check(name: str, amount: float, *, above: bool = False) -> None:
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool) and math.isfinite(amount)
    if not is_number or amount < 0 or (above and amount == 0):
        least = "more than 0, or None" if above else "0 or more"
        raise ValueError(f"{name} must be a number, {least}; got {amount!r}")

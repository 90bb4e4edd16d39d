"""
Which requests fail, and how.

A plan is one of
    None                         no request fails
    "429:5%,reset:2%"            each request fails with these probabilities
    {"429": 0.05, Fault(...): 0.02}   the same
    [Fault("429"), None, ...]    one entry for each request in turn, then nothing
    callable(request)            returns a Fault, a kind, or None

The random choice depends on the seed, the bytes of the request and how often they were seen, and not on the order
of threads.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from hashlib import blake2b
from random import Random
from threading import Lock
from typing import Any, Protocol

import orjson

from volc_dashscope.emulator.exchange import Handler, Refusal, Request, Response, reply

KINDS = (
    "reset",
    "reset_body",
    "short",
    "truncated",
    "slow",
    "error_in_200",
    "missing",
    "shuffled",
    "reply",
    "tpm",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One fault.

    ```python
    emulator = Emulator()
    emulator.fail("503", Fault("429", retry_after=0.01))
    client = Client("text-embedding-v4", api_key="any", http_client=emulator.http_client())
    client.embed(["a red shoe"])
    print(emulator.ledger.statuses)
    ```
    ```text
    [503, 429, 200]
    ```

    Attributes:
        kind: An HTTP status ("429", "500", "502", ...), "tpm" (a 429 for tokens), or one of
            "reset" (connection reset before any byte), "reset_body" (reset inside the body),
            "short" (closed after half of the body), "truncated" (half of the JSON, as a complete reply),
            "slow" (`seconds` late), "error_in_200" (an error with status 200), "missing" (one vector too few),
            "shuffled" (vectors in reverse order, their indices kept), "reply" (`status`, `headers`, `body`).
        retry_after: `Retry-After`, in seconds or verbatim.
        retry_after_ms: `retry-after-ms`.
        retry_date: `Retry-After` as an HTTP date this many seconds from now.
        seconds: Delay of "slow", in seconds.
        code: Replaces the code of the service's error.
        message: Replaces its message.
        status: HTTP status of "reply".
        headers: Headers of "reply"; they are also added to the replies of other faults.
        body: Body of "reply".
        path: Affects only requests whose path contains it; a scripted fault waits for such a request.
    """

    kind: str
    retry_after: float | str | None = None
    retry_after_ms: float | None = None
    retry_date: float | None = None
    seconds: float = 5.0
    code: str = ""
    message: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: Any = field(default=b"", hash=False)
    path: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS and not (self.kind.isdigit() and 400 <= int(self.kind) <= 599):
            raise ValueError(
                f"unknown fault {self.kind!r}; allowed are a status from 400 to 599, {', '.join(KINDS)}"
            )

    def hint(self, now: float) -> dict[str, str]:
        """
        Return the headers of the fault's reply, with those that say when to retry.

        Args:
            now: Unix time, for a `Retry-After` that is a date.
        """
        hints = dict(self.headers)
        if self.retry_after is not None:
            hints["retry-after"] = f"{self.retry_after}"
        if self.retry_date is not None:
            hints["retry-after"] = formatdate(now + self.retry_date, usegmt=True)
        if self.retry_after_ms is not None:
            hints["retry-after-ms"] = f"{self.retry_after_ms}"
        return hints


Choice = Fault | str | None
Plan = str | Mapping[str | Fault, float] | Sequence[Choice] | Callable[[Request], Choice] | None


class Service(Protocol):
    """The methods of a service that faults need."""

    def refuse(self, request: Request, refusal: Refusal) -> Response: ...

    def throttled(self, request: Request, unit: str = "rpm") -> Refusal: ...

    def failed(self, request: Request, status: int = 500) -> Refusal: ...


class Faults:
    """
    Applies a plan to requests.

    ```python
    emulator = Emulator(faults=Faults("429:5%,reset:2%", seed=7))
    ```

    Args:
        plan: Which requests fail; see the module.
        seed: Random seed.
        max_in_a_row: Maximum number of consecutive random faults for one request, so that retries succeed eventually.

    Raises:
        ValueError: A fault of the plan does not exist.
    """

    def __init__(self, plan: Plan = None, *, seed: int = 0, max_in_a_row: int = 3) -> None:
        self._lock = Lock()
        self._seed = seed
        self._max_in_a_row = max_in_a_row
        self._script: deque[Choice] = deque()
        self._choose: Callable[[Request], Choice] | None = None
        self._chances: list[tuple[Fault, float]] = []
        self._seen: Counter[bytes] = Counter()
        self._consecutive: Counter[bytes] = Counter()
        if isinstance(plan, str):
            plan = parse(plan)
        if isinstance(plan, Mapping):
            self._chances = [(_fault(kind), chance) for kind, chance in plan.items()]
        elif callable(plan):
            self._choose = plan
        elif plan is not None:
            self._script.extend(_fault(choice) if choice is not None else None for choice in plan)

    def add(self, *choices: Choice) -> None:
        """
        Append faults for the requests to come.

        Args:
            choices: As for `Emulator.fail`.
        """
        with self._lock:
            self._script.extend(_fault(choice) if choice is not None else None for choice in choices)

    def next(self, request: Request) -> Fault | None:
        """Return the fault of this request, or None."""
        if self._choose is not None:
            choice = self._choose(request)
            return None if choice is None else _fault(choice)
        with self._lock:
            if self._script:
                head = self._script[0]
                if isinstance(head, Fault) and head.path not in request.path:
                    return None
                self._script.popleft()
                return head if isinstance(head, Fault) else None
            return self._draw(request) if self._chances else None

    def _draw(self, request: Request) -> Fault | None:
        item = blake2b(request.path.encode() + b"\0" + request.body, digest_size=16).digest()
        self._seen[item] += 1
        draw = Random(f"{self._seed}:{item.hex()}:{self._seen[item]}").random()
        if self._consecutive[item] < self._max_in_a_row:
            for fault, chance in self._chances:
                if fault.path in request.path and draw < chance:
                    self._consecutive[item] += 1
                    return fault
                draw -= chance
        self._consecutive[item] = 0
        return None


def parse(text: str) -> dict[str | Fault, float]:
    """Return the plan written as `429:5%,reset:2%` or `429:0.05`."""
    plan: dict[str | Fault, float] = {}
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        kind, found, chance = piece.partition(":")
        try:
            value = float(chance.rstrip("%")) / (100 if chance.endswith("%") else 1)
        except ValueError:
            value = -1.0
        if not found or not 0 <= value <= 1:
            raise ValueError(f"{piece!r} is not a fault; example: 429:5%")
        plan[Fault(kind.strip())] = value
    return plan


def apply_fault(fault: Fault, request: Request, service: Service, answer: Handler) -> Response:
    """Return the reply with its fault, instead of `answer(request)`."""
    if fault.kind == "reply":
        body = fault.body if isinstance(fault.body, bytes) else orjson.dumps(fault.body)
        kind = {"content-type": "application/json; charset=utf-8"}
        return Response(status=fault.status, headers={**kind, **fault.hint(request.now)}, body=body)
    if fault.kind == "502":
        html = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>\r\n"
        return Response(
            status=502, headers={"content-type": "text/html", **fault.hint(request.now)}, body=html
        )
    if fault.kind.isdigit() or fault.kind in ("tpm", "error_in_200"):
        return _refused(fault, request, service)
    response = answer(request)
    if fault.kind == "slow":
        return replace(response, delay=response.delay + fault.seconds)
    if fault.kind == "truncated":
        return replace(response, body=response.body[: len(response.body) // 2])
    if fault.kind in ("missing", "shuffled"):
        return _rearranged(fault.kind, response)
    return replace(response, breakage=fault.kind)  # type: ignore[arg-type]


def _refused(fault: Fault, request: Request, service: Service) -> Response:
    if fault.kind in ("429", "tpm"):
        refusal = service.throttled(request, "tpm" if fault.kind == "tpm" else "rpm")
    elif fault.kind == "error_in_200":
        refusal = service.failed(request)
    elif fault.kind.startswith("5"):
        refusal = service.failed(request, int(fault.kind))
    else:
        refusal = Refusal(int(fault.kind), "InvalidParameter", "The request was refused by the fault plan.")
    code, message = fault.code or refusal.code, fault.message or refusal.message
    refusal = replace(refusal, code=code, message=message)
    response = service.refuse(request, refusal).with_headers(fault.hint(request.now))
    return replace(response, status=200) if fault.kind == "error_in_200" else response


def _rearranged(kind: str, response: Response) -> Response:
    """Return a good reply without one vector, or with its vectors in reverse order."""
    if response.status != 200 or not response.body.startswith(b"{"):
        return response
    payload = response.json
    output = payload.get("output")
    rows = output.get("embeddings") if isinstance(output, dict) else payload.get("data")
    if isinstance(rows, list):
        rows[:] = rows[:-1] if kind == "missing" else rows[::-1]
    elif isinstance(rows, dict) and kind == "missing":
        rows.pop("embedding", None)
    return replace(reply(payload, tokens=response.tokens), headers=response.headers)


def _fault(choice: Fault | str) -> Fault:
    return choice if isinstance(choice, Fault) else Fault(choice)

"""
Values that pass between the client, the providers and the HTTP transports.

Values made for each request are not frozen, because making them would take three times as long; nothing changes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import IO, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from volc_dashscope.errors import EmbeddingError
from volc_dashscope.inputs import Item
from volc_dashscope.models import ModelInfo, Route
from volc_dashscope.results import FloatArray, SparseVector, Usage

T = TypeVar("T")
TextType = Literal["query", "document"]
OutputType = Literal["dense", "sparse", "dense&sparse", "multi"]
FaultKind = Literal[
    "connect",
    "certificate",
    "tls",
    "proxy",
    "timeout",
    "late",
    "unanswered",
    "broken",
    "upload",
    "too large",
    "closed",
    "halted",
]
OnError = Literal["raise", "abort", "skip"]


class Secret:
    """A key that no `repr`, `vars`, dump or log shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key itself; called where the header is written and nowhere else."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "Secret(**********)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(slots=True)
class Request:
    """
    One HTTP request without its key: the transport adds the `Authorization` header.

    Attributes:
        keyless: For a host other than the service's: sent without the key and without the HTTP client's own headers.
        into: File that receives the body of a reply with status 200, for replies too large for memory.
        largest: Largest size of the reply in bytes; None for the default limit.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    keyless: bool = False
    into: IO[bytes] | None = field(default=None, repr=False, compare=False)
    largest: int | None = None


@dataclass(slots=True)
class Reply:
    """One complete HTTP reply. `at` is the wall-clock second it was received."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    at: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the status says success; the body may still hold an error or nothing."""
        return 200 <= self.status < 300


@dataclass(slots=True)
class Fault:
    """
    No complete reply arrived.

    Attributes:
        kind: "late": the deadline of the call has passed; "timeout": nothing was received or accepted for too long;
            "upload": the upload of a large body broke; "unanswered": the connection broke before a reply began;
            "broken": it broke within the reply; "halted": not sent, because of the error of another request, which
            is the cause.
        reason: The message of the operating system or the TLS library.
        cause: The exception that the HTTP library raised.
        place: The host that could not be reached, if it is not the request's.
        size: Bytes of the body that was being sent.
    """

    kind: FaultKind
    reason: str = ""
    cause: BaseException | None = field(default=None, repr=False, compare=False)
    place: str | None = None
    size: int = 0


@dataclass(slots=True, kw_only=True)
class RequestSpec:
    """
    Everything that shapes a request besides the items: the client's settings and the call's arguments.

    Attributes:
        learned: Vector length in the first reply of an unknown model; later replies must have the same.
        host: Where requests go, for messages.
        foreign: The server is not the vendor's.
        vector_key: `ClientSettings.vector_key()` of the settings; "" where no row is cached.
        key: The key, so that messages never repeat it; only the transport sends it. None for a server without keys.
        key_name: The name of the argument or variable the key came from, for messages; empty without a key.
        expected: Length of a finished row; None before the first reply of an unknown model.
        dense: Whether dense vectors are requested.
        sparse: Whether sparse vectors are requested.
    """

    model_info: ModelInfo
    model: str
    base_url: str
    place: str
    route: Route = "native"
    headers: Mapping[str, str] = field(default_factory=dict)
    dimension: int | None = None
    normalize: bool = True
    text_type: TextType | None = "document"
    output_type: OutputType = "dense"
    instruct: str | None = None
    target_modality: str | None = None
    query_instructions: str | None = None
    document_instructions: str | None = None
    res_level: int | None = None
    max_video_frames: int | None = None
    upload: bool = False
    truncate: bool = False
    max_image_pixels: int | None = None
    extra_body: Mapping[str, object] | None = None
    learned: int | None = None
    host: str = ""
    foreign: bool = False
    vector_key: str = field(default="", repr=False)
    key: Secret | None = field(default=None, repr=False, compare=False)
    key_name: str = ""
    expected: int | None = field(init=False, repr=False, compare=False)
    dense: bool = field(init=False, repr=False, compare=False)
    sparse: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.expected = self.dimension or self.model_info.default_dimension or self.learned
        self.dense = self.output_type != "sparse"
        self.sparse = self.output_type in ("sparse", "dense&sparse")

    @property
    def service(self) -> str:
        """The service's name in messages: the vendor, or the host of a server that is not the vendor's."""
        return self.host if self.foreign else self.model_info.provider


@dataclass(slots=True)
class Batch:
    """Items that share one request, with their positions in the caller's list."""

    positions: tuple[int, ...]
    items: tuple[Item, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.positions)

    def halves(self) -> tuple[Batch, Batch]:
        """Split in two, to find out which item the service objects to."""
        middle = len(self.positions) // 2
        return (
            Batch(self.positions[:middle], self.items[:middle]),
            Batch(self.positions[middle:], self.items[middle:]),
        )


@dataclass(slots=True)
class Rows:
    """The checked content of one reply, in the order of its batch."""

    vectors: FloatArray | None
    usage: Usage
    sparse: tuple[SparseVector, ...] | None = None
    multi: tuple[NDArray[np.float16], ...] | None = None
    request_id: str | None = None
    model: str | None = None


# The rows of a batch without items, which stands for items that need no request.
EMPTY_ROWS = Rows(np.empty((0, 0), np.float32), Usage())


class ProviderCodec(Protocol):
    """One service: how a batch becomes a request and a reply becomes rows. Modules in `providers` are these."""

    def build(self, batch: Batch, spec: RequestSpec) -> Request:
        """Write the request; files are read now."""
        ...

    def read(self, reply: Reply, batch: Batch, spec: RequestSpec) -> Rows | EmbeddingError:
        """Return checked rows, or the error that the reply reports."""
        ...


class Send(NamedTuple):
    """
    Send this, for at most `within` seconds, and return a `Reply` or a `Fault`.

    Attributes:
        halted: Returns why nothing may be sent any more, or None; asked when it is this request's turn.
    """

    request: Request
    within: float = math.inf
    halted: Callable[[], EmbeddingError | None] | None = None


class Wait(NamedTuple):
    """
    Let this many seconds pass.

    Attributes:
        expected: The wait is normal, such as between two polls of a job, and is not logged as a warning.
        why: Reason for the wait, for the log.
        whole: Length in seconds of a longer wait that starts with this one, for the log; 0 if this is all of it.
    """

    seconds: float
    expected: bool = False
    why: str = ""
    whole: float = 0.0


class Compute(NamedTuple):
    """
    Run CPU-bound work that takes long, outside the event loop.

    Attributes:
        work: Stores its own result; an exception it raises ends the flow.
    """

    work: Callable[[], None]


Flow: TypeAlias = Generator[Send | Wait | Compute, Reply | Fault | None, T]


def counted(number: int, plural: str) -> str:
    """Return a number with its noun for display: `counted(1, "queries")` is "1 query"."""
    singular = f"{plural[:-3]}y" if plural.endswith("ies") else plural.removesuffix("s")
    return f"{number:,} {singular if number == 1 else plural}"

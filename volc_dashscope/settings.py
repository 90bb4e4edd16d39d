"""
The settings of a client, written once.

`ClientSettings` has every setting with its type, its default and its documentation. `Client` and `AsyncClient` spell
the same names out in their signature, the integrations as pydantic fields; jobs, estimates, bulk, Ray and the command
line take `ClientSettings` as a value. A test compares all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from hashlib import sha256
from importlib.util import find_spec
from typing import TypeVar
from urllib.parse import urlsplit

import orjson

from volc_dashscope import _config
from volc_dashscope._http import AsyncHttpClient, HttpClient, Limiter, find_headers
from volc_dashscope._request.items import instruction
from volc_dashscope._request.row_cache import BatchCache
from volc_dashscope._request.validation import check_settings
from volc_dashscope._types import RequestSpec, Secret
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import ModelInfo, Provider, Route, get_model_info

__all__ = ["ClientSettings"]

T = TypeVar("T")

# PostgreSQL cuts identifiers at 63 bytes without an error.
_LONGEST_NAME = 63
_DIGEST = 16
_FLAGS = ("normalize", "truncate", "upload")
_WHOLE = ("max_concurrency", "max_retries", "partial_results_bytes")
_INSTRUCTIONS = ("instruct", "target_modality", "query_instructions", "document_instructions")
# The fields of a model's row that shape its requests and rows. Limits, prices and notes do not: correcting one must
# not invalidate cached rows.
_SHAPING_FACTS = (
    "endpoint",
    "default_dimension",
    "reduces",
    "fusion",
    "truncates",
    "text_type",
    "instruct",
    "video_knobs",
    "api_path",
)


@dataclass(frozen=True, slots=True)
class ClientSettings(_config.CheckedConstructor):
    """
    Every setting of a client, as a value. It opens and sends nothing, and is checked where it is used.

    ```python
    settings = ClientSettings("text-embedding-v4", dimensions=256)
    estimate_cost(["one", "two"], settings)
    client = Client.from_settings(settings)
    ```

    Args:
        model: Model id, snapshot or endpoint id. The row of that name says what it can do.
        provider: "ark" or "dashscope", for a name the table does not have.
        base_model: Name of the row to use for an endpoint id or a snapshot.
        model_info: Your own row, used instead of one of the table.
        route: "native", or "openai" for the OpenAI form (text, no roles): DashScope's compatible mode, or with
            `base_url` any server that has it, under any model name.
        api_key: Default: `ARK_API_KEY` or `DASHSCOPE_API_KEY`, but none for a `base_url` that is not the vendor's.
        base_url: Default: `ARK_BASE_URL` or `DASHSCOPE_BASE_URL`, then by `workspace` and `region`.
        region: "cn-beijing", "ap-southeast-1", ...; keys are bound to one. Default: `DASHSCOPE_REGION`.
        workspace: DashScope workspace id; selects the workspace's own host. Default: `DASHSCOPE_WORKSPACE`.
        dimensions: Length of a vector; None for the model's default.
        normalize: Divide rows by their L2 norm. No service promises unit length.
        instruct: Task description for queries, for models that accept one.
        target_modality: The kind of content that is searched, for Ark's instruction; default "text/image/video".
        query_instructions: Replaces Ark's instruction string for queries verbatim.
        document_instructions: Replaces Ark's instruction string for documents verbatim.
        res_level: Image resolution level, for the DashScope models that have one.
        max_video_frames: Frames taken from a video, for the DashScope models that have this parameter.
        upload: Put files and bytes into DashScope's temporary storage (48 hours, Beijing) and send `oss://`
            URLs. Some models accept local video only this way. Off by default.
        max_concurrency: Requests in flight at once, over all threads and calls of a client; fewer while the
            service is overloaded.
        requests_per_minute: The account's limit; None adapts when rate-limited.
        tokens_per_minute: The account's limit; None adapts when rate-limited.
        limiter: Your own rate limiter, called before each request is sent.
        max_retries: Largest number of retries of one request.
        deadline: Seconds one request may take with all its retries, from its first connection to the last byte;
            waiting for the rate limit does not count, but a wait that the service asks for does.
        timeout: Seconds without progress allowed while connecting (10 at most), sending or reading, as in httpx: a
            server that keeps sending, or a slow connection that keeps accepting, is bounded by `deadline` only.
        cache: Stores vectors by `vector_key()`, role and content; any mapping of str to bytes. With a cache, equal
            items of one call are sent once.
        partial_results_bytes: Bytes of rows that a failed call keeps for its retry; 0 keeps none.
        truncate: Cut texts that are longer than the model accepts, by our estimate of tokens, and list them in
            `EmbeddingResult.truncated`. Otherwise such a text is an error.
        max_image_pixels: Shrink images that are files or bytes and have more pixels, just before they are sent; needs
            the extra `images`. The model's limits then apply to the shrunk image. Default: sent unchanged.
        insecure_http: Allow `http://` where others on the network could read the key.
        default_headers: Headers sent with every request.
        http_client: Your own `httpx.Client` (or httpx2's), used with its own settings and timeouts, and never closed.
        http_async_client: Your own `httpx.AsyncClient`, used in the same way.
        extra_body: Fields merged unchanged into every request body, for parameters this library does not know.
    """

    model: str
    _: KW_ONLY
    provider: Provider | None = None
    base_model: str | None = None
    model_info: ModelInfo | None = None
    route: Route = "native"
    api_key: str | Secret | None = field(default=None, repr=False)
    base_url: str | None = None
    region: str | None = None
    workspace: str | None = None
    dimensions: int | None = None
    normalize: bool = True
    instruct: str | None = None
    target_modality: str | None = None
    query_instructions: str | None = None
    document_instructions: str | None = None
    res_level: int | None = None
    max_video_frames: int | None = None
    upload: bool = False
    max_concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    limiter: Limiter | None = field(default=None, repr=False)
    max_retries: int = 7
    deadline: float = 180.0
    timeout: float = 60.0
    cache: MutableMapping[str, bytes] | BatchCache | None = field(default=None, repr=False)
    partial_results_bytes: int = 0
    truncate: bool = False
    max_image_pixels: int | None = None
    insecure_http: bool = False
    default_headers: Mapping[str, str] | None = field(default=None, repr=False)
    http_client: HttpClient | None = field(default=None, repr=False)
    http_async_client: AsyncHttpClient | None = field(default=None, repr=False)
    extra_body: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        # Nothing may raise here: crash reports show the arguments of `__init__`, and one is the key.
        object.__setattr__(self, "api_key", _config.sealed(self.api_key))

    def vector_key(self) -> str:
        """
        Return everything that shapes a vector except the item and its role, as JSON that is the same everywhere.

        The cache, the rows kept for a retry, the identity of bulk outputs and `fingerprint` are made from it, so
        that a vector of one model or server is never used for another's. Each host and path counts as its own server.

        Raises:
            ConfigError: A model, region or URL that does not exist.
            InputError: An instruction that cannot be sent.
        """
        row = self.row()
        url, instructions = urlsplit(self._address(row).url), self._instructions()
        # Unsourced A5: Ark's 1,024 numbers and 2,048 cut to 1,024 may differ, so a key tells them apart.
        # Settled by one pair of calls.
        return _json(
            {
                "provider": row.provider,
                "model": row.name,
                "base_model": self._row_name(),
                "row": {name: getattr(row, name) for name in _SHAPING_FACTS},
                "route": self.route,
                "endpoint": f"{url.netloc.lower()}{url.path.rstrip('/')}",
                "dimension": self.dimensions or row.default_dimension,
                "normalize": self.normalize,
                "instruct": instructions["instruct"],
                "target_modality": instructions["target_modality"],
                "query_instructions": instructions["query_instructions"],
                "document_instructions": instructions["document_instructions"],
                "res_level": self.res_level,
                "max_video_frames": self.max_video_frames,
                "truncate": [row.max_tokens, row.max_text_bytes] if self.truncate else None,
                "max_image_pixels": self.max_image_pixels,
                "extra_body": dict(self.extra_body) if self.extra_body else None,
            }
        )

    def resolved_spec(self) -> RequestSpec:
        """
        Return the spec of requests, including the key, the address and the headers.

        A key or address that is not set comes from the environment.

        Raises:
            ConfigError: No key, an unknown model, a setting the model does not have, or no Pillow where it is needed.
            InputError: An instruction for a model that takes none.
        """
        row = self.row()
        address = self._address(row)
        argument = _config.sealed(self.api_key)
        key = _config.find_key(row.provider, argument, address=address)
        _config.check_limits(
            {name: getattr(self, name) for name in _WHOLE},
            {"deadline": self.deadline, "timeout": self.timeout},
            {"requests_per_minute": self.requests_per_minute, "tokens_per_minute": self.tokens_per_minute},
        )
        if self.max_image_pixels is not None and find_spec("PIL") is None:
            raise ConfigError('max_image_pixels= needs Pillow: pip install "volc-dashscope[images]"')
        headers = find_headers(row.provider, self.workspace, self.default_headers, foreign=address.foreign)
        return replace(
            self.offline_spec(),
            base_url=address.url,
            place=address.place,
            host=address.host,
            foreign=address.foreign,
            headers=headers,
            key=key,
            key_name=_config.key_name(row.provider, argument, key),
            vector_key=self.vector_key(),
        )

    def offline_spec(self) -> RequestSpec:
        """
        Return the spec of requests without key and address, for estimates.

        Raises:
            ConfigError: An unknown model, or a setting it does not have.
            InputError: An instruction for a model that takes none.
        """
        _config.check_flags({name: getattr(self, name) for name in _FLAGS})
        _config.check_body(self.extra_body)
        row, instructions = self.row(), self._instructions()
        spec = RequestSpec(
            model_info=row.priced_in(region_of(self)),
            model=row.name,
            base_url="",
            place="",
            route=self.route,
            dimension=self.dimensions,
            normalize=self.normalize,
            instruct=instructions["instruct"],
            target_modality=instructions["target_modality"],
            query_instructions=instructions["query_instructions"],
            document_instructions=instructions["document_instructions"],
            res_level=self.res_level,
            max_video_frames=self.max_video_frames,
            upload=self.upload,
            truncate=self.truncate,
            max_image_pixels=self.max_image_pixels,
            extra_body=dict(self.extra_body) if self.extra_body else None,
        )
        check_settings(spec)
        return spec

    def row(self) -> ModelInfo:
        """
        Return the row that says what the model can do.

        Raises:
            ConfigError: The name is unknown, and neither `base_model`, `model_info` nor `provider` is given.
        """
        return _config.find_model_info(
            self.model,
            provider=self.provider,
            base_model=self.base_model,
            model_info=self.model_info,
            route=self.route,
            base_url=self.base_url,
        )

    def _instructions(self) -> dict[str, str | None]:
        """Return the instructions as they are sent."""
        return {name: instruction(name, getattr(self, name)) for name in _INSTRUCTIONS}

    def _row_name(self) -> str:
        """Return the row's own name, not the model's that replaced it: two rows may differ only in that."""
        if self.model_info is not None:
            return self.model_info.name
        found = get_model_info(self.base_model or self.model)
        return found.name if found is not None else self.base_model or self.model

    def _address(self, row: ModelInfo) -> _config.Address:
        return _config.find_url(
            row,
            route=self.route,
            base_url=self.base_url,
            region=self.region,
            workspace=self.workspace,
            insecure_http=self.insecure_http,
        )


def region_of(settings: ClientSettings) -> str | None:
    """Return the region that requests go to, whichever setting chose it; "" if a vendor's host does not say which."""
    if settings.region is not None:
        return settings.region
    try:
        return settings._address(settings.row()).region  # noqa: SLF001 - of this module
    except ConfigError:  # of the address, which no estimate needs
        return None


SETTING_NAMES = tuple(each.name for each in fields(ClientSettings))


def _json(shape: Mapping[str, object]) -> str:
    try:
        return orjson.dumps(shape, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError as error:
        raise ConfigError(f"extra_body must be JSON: {error}") from error


def documentation() -> dict[str, str]:
    """Return the documentation of each setting by name, from the docstring of `ClientSettings`."""
    return {name: " ".join(text.split()) for name, text in _config.argument_docs(ClientSettings).items()}


def documented(kind: type[T]) -> type[T]:
    """Document the arguments of a class that are settings, except those that its own docstring describes."""
    _config.document_arguments(kind, _config.argument_docs(ClientSettings))
    return kind


def fingerprint(vector_key: str) -> str:
    """
    Return a vector key as a name for a collection, table or namespace: `[a-z0-9_]`, at most 63 characters.

    It begins with the model's name and the dimension, and ends with a digest of the whole key. The first character
    is a letter, as Milvus and unquoted PostgreSQL identifiers require.
    """
    shape = orjson.loads(vector_key)
    text = f"{shape['model']} {shape['dimension'] or ''}".lower()
    name = re.sub(r"[^a-z0-9]+", "_", text).strip("_") or "model"
    name = (name if name[0].isalpha() else f"model_{name}")[: _LONGEST_NAME - _DIGEST - 1].strip("_")
    return f"{name}_{sha256(vector_key.encode()).hexdigest()[:_DIGEST]}"


def describe(vector_key: str) -> str:
    """Return a vector key as one readable line, without the settings that have their default."""
    shape = orjson.loads(vector_key)
    model, row = shape.pop("model"), shape.pop("base_model")
    first = f"{shape.pop('provider')}/{model}" + ("" if row == model else f" as {row}")
    del shape["row"]
    return "; ".join([first, *(f"{name}={value!r}" for name, value in shape.items() if value is not None)])

"""
`ClientSettings` as pydantic fields, for the classes of both frameworks; `ServiceFields` are those of rerankers too.

Not imported by the core itself: pydantic comes with LangChain and with LlamaIndex.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import Field, PrivateAttr, SkipValidation

from volc_dashscope._http import AsyncHttpClient, HttpClient, Limiter, check_limiter, running_loop
from volc_dashscope._lifecycle import continue_usage
from volc_dashscope._request.row_cache import BatchCache
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError, InputError
from volc_dashscope.inputs import as_iterable
from volc_dashscope.integrations.construction import (
    OPAQUE,
    Key,
    MediaRoot,
    SettingsModel,
    as_secret,
    describe_fields,
)
from volc_dashscope.models import ModelInfo, Provider, Route
from volc_dashscope.results import Usage
from volc_dashscope.settings import ClientSettings, documentation

G = TypeVar("G")
M = TypeVar("M")


class ServiceFields(SettingsModel):
    """The settings that clients and rerankers share, with the names and defaults of `ClientSettings`."""

    base_model: str | None = None
    base_url: str | None = None
    region: str | None = None
    workspace: str | None = None
    instruct: str | None = None
    max_concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    limiter: Annotated[SkipValidation[Limiter | None], OPAQUE] = Field(default=None, exclude=True, repr=False)
    max_retries: int = 7
    deadline: float = 180.0
    timeout: float = 60.0
    cache: Annotated[SkipValidation[MutableMapping[str, bytes] | BatchCache | None], OPAQUE] = Field(
        default=None, exclude=True, repr=False
    )
    truncate: bool = False
    max_image_pixels: int | None = None
    insecure_http: bool = False
    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    http_client: Annotated[SkipValidation[HttpClient | None], OPAQUE] = Field(
        default=None, exclude=True, repr=False
    )
    http_async_client: Annotated[SkipValidation[AsyncHttpClient | None], OPAQUE] = Field(
        default=None, exclude=True, repr=False
    )
    extra_body: Mapping[str, object] | None = None
    media_root: MediaRoot = Field(default=None, description="Local files must be inside this folder.")

    if not TYPE_CHECKING:

        def __getstate__(self):
            state = super().__getstate__()
            warn_of_copied_cache(self.cache)
            return state

    def _require_own_connections(self) -> None:
        # LlamaIndex drops what it cannot pickle, and the copy would make its own connections.
        if self.http_client is not None or self.http_async_client is not None:
            name = type(self).__name__
            raise ConfigError(
                f"{name} with your own HTTP client cannot be pickled or copied; create it where it is used"
            )

    def _values(self, names: Iterable[str]) -> dict[str, Any]:
        """Return settings by name, in the form that the core accepts."""
        return {name: getattr(self, name) for name in names}


class ClientFields(ServiceFields):
    """
    Every field of `ClientSettings` but the model, the provider and the key, with the same names and defaults.

    An integration adds its framework's spelling of model and key.
    """

    provider_name: ClassVar[Provider]

    model_info: ModelInfo | None = None
    route: Route = "native"
    dimensions: int | None = None
    normalize: bool = True
    target_modality: str | None = None
    query_instructions: str | None = None
    document_instructions: str | None = None
    res_level: int | None = None
    max_video_frames: int | None = None
    upload: bool = False
    partial_results_bytes: int = 64 * 1024 * 1024

    _client: Client = PrivateAttr()
    # Whether a sparse counterpart shares the requests of texts.
    _hybrid: bool = PrivateAttr(default=False)

    @property
    def _requests_sparse(self) -> bool:
        # The model may have been changed to one without sparse vectors.
        return self._hybrid and self._client.model_info.sparse

    @property
    def usage(self) -> Usage:
        """Usage billed to this object so far."""
        return self._client.usage

    @property
    def dimension(self) -> int | None:
        """Length of a vector, known before any request; None for a model outside the table."""
        return self._client.dimension

    @property
    def fingerprint(self) -> str:
        """
        A name for a collection, table or namespace, known before any request: `[a-z0-9_]`, at most 63 characters.

        It begins with the model's name and ends in a digest of everything that shapes a vector: vectors of two
        fingerprints must not share a store. `describe` says the same to read.
        """
        return self._client.fingerprint

    def describe(self) -> str:
        """Return everything that shapes a vector as one line to read."""
        return self._client.describe()

    def close(self) -> None:
        """Close the connections of synchronous calls. Calls after that raise `ConfigError`."""
        self._client.close()

    def _connect(self) -> None:
        client = self._make_client()
        if self._connected:
            continue_usage(client, self._client)
        self._client = client

    def _model_and_key(self) -> tuple[str, Key]:
        raise NotImplementedError

    def _limiter(self) -> Limiter | None:
        return self.limiter

    def _client_settings(self) -> ClientSettings:
        # Checked here too: a framework's own limiter wraps it, and would pass the check of the core.
        check_limiter(self.limiter)
        model, key = self._model_and_key()
        settings = self._values(_CLIENT_SETTINGS) | {"limiter": self._limiter()}
        provider = None if self.base_model or self.model_info else self.provider_name
        return ClientSettings(model, provider=provider, api_key=as_secret(key), **settings)

    def _make_client(self) -> Client:
        client = Client.from_settings(self._client_settings())
        if client.model_info.provider != self.provider_name:
            raise ConfigError(
                f"{client.model_info.name} is served by {client.model_info.provider}; "
                f"{type(self).__name__} is for {self.provider_name}"
            )
        return client


describe_fields(ClientFields, documentation())

# The folder of local files is not a setting of the client.
_CLIENT_SETTINGS = tuple(name for name in ClientFields.model_fields if name != "media_root")
_KEYS = ("api_key", "ark_api_key", "dashscope_api_key")
ClientFields.connecting = frozenset({*_CLIENT_SETTINGS, *_KEYS, "model", "model_name", "rate_limiter"})


def warn_of_copied_cache(cache: object) -> None:
    """Warn when settings are pickled: a dict arrives as a copy, and entries added there are lost."""
    if isinstance(cache, dict):
        warnings.warn(
            "cache= is a dict, so another process gets a copy: what is added there is not kept and is "
            "paid for again next time; use volc_dashscope.cache.SQLiteCache",
            UserWarning,
            stacklevel=3,
        )


def require_event_loop() -> None:
    """
    Refuse an event loop that is not asyncio's, before a framework starts asyncio's tasks in it.

    Raises:
        ConfigError: With what to do instead.
    """
    running_loop()


def convert_each(values: Iterable[G], make: Callable[[G], M], *, name: str) -> list[M]:
    """
    Return `make` of every member of a list.

    Raises:
        InputError: It is not a list, or a member is refused; the index is that of the first one.
    """
    converted: list[M] = []
    for index, value in enumerate(as_iterable(values, name=name)):
        try:
            converted.append(make(value))
        except InputError as error:
            raise InputError(f"item {index}: {error}", index=index) from error
    return converted

"""
The client's settings as pydantic fields, for the faces of frameworks that configure by pydantic.

Not imported by the core itself: pydantic comes with LangChain and with LlamaIndex.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from volc_dashscope._http import Limiter
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import ModelCard, Provider, Route

_OWN = frozenset({"provider_name", "media_root"})


class ClientFields(BaseModel):
    """
    Every setting of `volc_dashscope.Client` but the model and the key, with the same names and defaults.

    A face adds its own spelling of those two, and gets a client that is made when the face is, so that
    mistakes show at once and as errors of this library.
    """

    model_config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        populate_by_name=True,
        protected_namespaces=(),
        # A misspelt key argument must not be printed with its value.
        hide_input_in_errors=True,
    )

    provider_name: ClassVar[Provider]

    like: str | None = None
    card: ModelCard | None = None
    route: Route = "native"
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
    max_concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    limiter: Any = Field(default=None, exclude=True, repr=False)
    max_attempts: int = 8
    deadline: float = 180.0
    timeout: float = 60.0
    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    http_client: httpx.Client | None = Field(default=None, exclude=True, repr=False)
    http_async_client: httpx.AsyncClient | None = Field(default=None, exclude=True, repr=False)
    extra_body: Mapping[str, Any] | None = None
    media_root: str | None = Field(default=None, description="Local files must be inside this folder.")

    _client: Client = PrivateAttr()

    if not TYPE_CHECKING:

        def __init__(self, **data):
            # After validation, not in a validator: pydantic would turn our errors into its own.
            super().__init__(**data)
            self._client = self._make_client()

    @property
    def dimension(self) -> int | None:
        """Length of a vector, known before any request; None for a model outside the table."""
        return self._client.dimension

    def _model_and_key(self) -> tuple[str, SecretStr | None]:
        raise NotImplementedError

    def _limiter(self) -> Limiter | None:
        limiter: Limiter | None = self.limiter
        return limiter

    def _make_client(self) -> Client:
        model, key = self._model_and_key()
        settings = {name: getattr(self, name) for name in ClientFields.model_fields if name not in _OWN}
        settings["limiter"] = self._limiter()
        client = Client(
            model,
            provider=None if self.like or self.card else self.provider_name,
            api_key=key.get_secret_value() if key is not None else None,
            **settings,
        )
        if client.card.provider != self.provider_name:
            raise ConfigError(
                f"{model} is served by {client.card.provider}; {type(self).__name__} is for {self.provider_name}"
            )
        return client

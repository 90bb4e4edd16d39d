"""LangChain's own suites, against the emulator through a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from samples import ARK, KEY, V4, VL

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings


class _Subject:
    """Which class and model a suite is about, and a service for it."""

    face: ClassVar[type[Any]]
    model_id: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _service(self, emulate: Callable[..., Any]) -> None:
        self.mount = emulate(socket=True)

    @property
    def embeddings_class(self) -> type[Any]:
        return self.face

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": self.model_id, **self.mount.settings(self.face.provider_name)}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        service = self.face.provider_name
        return (
            {f"{service.upper()}_API_KEY": KEY},
            {"model": self.model_id},
            {f"{service}_api_key": KEY, "model": self.model_id},
        )

    @pytest.fixture
    def model(self) -> Iterator[Any]:
        face = self.embeddings_class(**self.embedding_model_params)
        yield face
        face.close()


class TestArkUnit(_Subject, EmbeddingsUnitTests):
    face = ArkEmbeddings
    model_id = ARK


class TestArkIntegration(_Subject, EmbeddingsIntegrationTests):
    face = ArkEmbeddings
    model_id = ARK


class TestDashScopeTextUnit(_Subject, EmbeddingsUnitTests):
    face = DashScopeEmbeddings
    model_id = V4


class TestDashScopeTextIntegration(_Subject, EmbeddingsIntegrationTests):
    face = DashScopeEmbeddings
    model_id = V4


class TestDashScopeVisionUnit(_Subject, EmbeddingsUnitTests):
    face = DashScopeEmbeddings
    model_id = VL


class TestDashScopeVisionIntegration(_Subject, EmbeddingsIntegrationTests):
    face = DashScopeEmbeddings
    model_id = VL

"""LangChain's own suites for every row of the table that takes texts now, against the emulator on a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from canary import KEY
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from volc_dashscope.models import ModelInfo, list_models

INTEGRATIONS = {"ark": ArkEmbeddings, "dashscope": DashScopeEmbeddings}
# Rows of the endpoint "async" are file jobs: a minute for a vector, which is nothing for a store.
ROWS = [row for row in list_models() if row.ready and "text" in row.modalities and row.endpoint != "async"]


class _Subject:
    """An integration with one model, and a service for it."""

    row: ClassVar[ModelInfo]

    @pytest.fixture(autouse=True)
    def _service(self, emulate: Callable[..., Any]) -> None:
        self.mount = emulate(socket=True)

    @property
    def embeddings_class(self) -> type[Any]:
        return INTEGRATIONS[self.row.provider]

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        settings = self.mount.settings(self.row.provider)
        if self.row.api_path:
            settings["base_url"] = self.mount.emulator.url + self.row.api_path
        return {"model": self.row.name, **settings}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        service = self.row.provider
        return (
            {f"{service.upper()}_API_KEY": KEY},
            {"model": self.row.name},
            {f"{service}_api_key": KEY, "model": self.row.name},
        )

    @pytest.fixture
    def model(self) -> Iterator[Any]:
        embed_model = self.embeddings_class(**self.embedding_model_params)
        yield embed_model
        embed_model.close()


def _suites() -> Iterator[type]:
    for row in ROWS:
        name = "".join(word.capitalize() for word in row.name.replace(".", "-").split("-"))
        for suite in (EmbeddingsUnitTests, EmbeddingsIntegrationTests):
            short = suite.__name__.removeprefix("Embeddings").removesuffix("Tests")
            yield type(f"Test{name}{short}", (_Subject, suite), {"row": row, "__module__": __name__})


globals().update({made.__name__: made for made in _suites()})


def test_every_row_that_takes_texts_now_has_both_suites():
    made = [found for name, found in globals().items() if name.startswith("Test") and hasattr(found, "row")]
    rows = [found.row.name for found in made]

    assert sorted(row.name for row in ROWS) == sorted(set(rows))
    assert 2 * len(ROWS) == len(rows)
    assert 20 < len(ROWS)

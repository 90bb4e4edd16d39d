"""A setting of an integration changed after it was made takes effect, or is refused; it is never ignored."""

from __future__ import annotations

import pytest

from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding
from volc_dashscope import ConfigError

INTEGRATIONS = {
    "langchain": (DashScopeEmbeddings, "embed_query"),
    "llama_index": (DashScopeMultiModalEmbedding, "get_query_embedding"),
}


@pytest.fixture(params=INTEGRATIONS)
def embed_model(request, inside):
    """An integration for text-embedding-v4 and how to ask it for one vector."""
    kind, ask = INTEGRATIONS[request.param]
    made = kind(model="text-embedding-v4", **inside.settings("dashscope"))
    return made, ask


def test_a_dimension_set_later_is_asked_for(embed_model):
    made, ask = embed_model

    made.dimensions = 64

    assert (64, 64) == (made.dimension, len(getattr(made, ask)("text")))


def test_a_setting_the_model_does_not_have_is_refused_and_changed_back(embed_model):
    made, ask = embed_model

    with pytest.raises(ConfigError):
        made.dimensions = 65

    assert (None, 1024) == (made.dimensions, len(getattr(made, ask)("text")))


def test_a_copy_with_an_update_has_it(embed_model):
    made, ask = embed_model

    copied = made.model_copy(update={"dimensions": 128})

    assert (128, 1024) == (len(getattr(copied, ask)("text")), len(getattr(made, ask)("text")))

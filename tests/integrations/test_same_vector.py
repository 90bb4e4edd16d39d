"""One vector, whoever asks for it."""

from __future__ import annotations

import numpy as np
import pytest
from samples import ARK, V4, VL

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding
from volc_dashscope import Image

MODELS = [
    pytest.param(ARK, ArkEmbeddings, ArkMultiModalEmbedding, id="ark"),
    pytest.param(VL, DashScopeEmbeddings, DashScopeMultiModalEmbedding, id="dashscope-vision"),
    pytest.param(V4, DashScopeEmbeddings, DashScopeMultiModalEmbedding, id="dashscope-text"),
]


def _bits(vector: object) -> bytes:
    return np.asarray(vector, dtype=np.float64).tobytes()


@pytest.mark.parametrize(("model", "langchain", "llama_index"), MODELS)
@pytest.mark.parametrize("role", ["document", "query"])
async def test_core_and_integrations_give_one_text_the_same_bits(
    mount, embed_model_of, model, langchain, llama_index, role
):
    client = mount.client(model)
    lc, li = embed_model_of(langchain, mount, model=model), embed_model_of(llama_index, mount, model=model)
    asked = role == "query"

    vectors = [
        client.embed(["红色的鞋"], text_type=role).vectors[0],
        (await client.aio.embed(["红色的鞋"], text_type=role)).vectors[0],
        lc.embed_query("红色的鞋") if asked else lc.embed_documents(["红色的鞋"])[0],
        await lc.aembed_query("红色的鞋") if asked else (await lc.aembed_documents(["红色的鞋"]))[0],
        li.get_query_embedding("红色的鞋") if asked else li.get_text_embedding("红色的鞋"),
        await (li.aget_query_embedding("红色的鞋") if asked else li.aget_text_embedding("红色的鞋")),
    ]
    client.close()

    assert 1 == len({_bits(vector) for vector in vectors})


@pytest.mark.parametrize(("model", "langchain", "llama_index"), MODELS[:2])
async def test_core_and_integrations_give_one_image_the_same_bits(
    inside, embed_model_of, red_png, model, langchain, llama_index
):
    client = inside.client(model)
    lc, li = embed_model_of(langchain, inside, model=model), embed_model_of(llama_index, inside, model=model)

    vectors = [
        client.embed([Image.from_path(red_png)]).vectors[0],
        (await client.aio.embed([Image.from_path(red_png)])).vectors[0],
        lc.embed_image([str(red_png)])[0],
        (await lc.aembed_images([str(red_png)]))[0],
        li.get_image_embedding(str(red_png)),
        await li.aget_image_embedding(str(red_png)),
    ]

    assert 1 == len({_bits(vector) for vector in vectors})

"""What is no item is refused with its full type, its index, and the constructor that makes an item of it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from canary import KEY
from langchain_core.documents import Document
from llama_index.core import MockEmbedding
from PIL import Image as Pillow
from samples import KINDS

import langchain_volc_dashscope as lc
import llama_index_ext as li
from volc_dashscope import Client, ConfigError, Frames, Fused, Image, InputError, Reranker, estimate_cost

MODEL = "doubao-embedding-vision-251215"
GIVEN = {
    "a Pillow image": (Pillow.new("RGB", (8, 8)), "PIL.Image.Image; use Image.from_pil"),
    "bytes": (b"x", "bytes; use Image.from_bytes or Video.from_bytes"),
    "a path": (Path("a.png"), "Path; use Image.from_path or Video.from_path"),
}
ENTRIES = {
    "Client": lambda given: Client(MODEL, api_key=KEY).embed(["a", given]),
    "estimate_cost": lambda given: estimate_cost(["a", given], MODEL),
    "Reranker": lambda given: Reranker("qwen3-vl-rerank", api_key=KEY).rerank("a", ["a", given]),
    "langchain": lambda given: lc.ArkEmbeddings(api_key=KEY).embed_documents(["a", given]),
    "langchain sparse": lambda given: (
        lc.ArkEmbeddings(api_key=KEY).qdrant_sparse().embed_documents(["a", given])
    ),
    "langchain rerank": lambda given: lc.DashScopeRerank(api_key=KEY).rerank(["a", given], "a"),
    "llama_index": lambda given: li.ArkMultiModalEmbedding(api_key=KEY).embed_items(["a", given]),
    "llama_index texts": lambda given: li.ArkMultiModalEmbedding(api_key=KEY).get_text_embedding_batch(
        ["a", given]
    ),
    "Fused": lambda given: Fused("a", given),
    "Frames": lambda given: Frames([Image.from_url("https://example.com/a.png"), given]),
}


@pytest.mark.parametrize("enter", ENTRIES.values(), ids=ENTRIES)
@pytest.mark.parametrize(("given", "said"), GIVEN.values(), ids=GIVEN)
def test_what_is_no_item_is_named_with_the_way_to_make_one(enter, given, said):
    """ "expected Image, got Image" helps nobody: Pillow calls its class the same."""
    name, _, hint = said.partition("; ")

    with pytest.raises(InputError, match=rf"\b(item|document|part|frame) 1\b.*{re.escape(name)}.*{hint}"):
        enter(given)


def test_a_document_is_answered_with_its_text():
    with pytest.raises(InputError, match=r"got Document; pass its page_content"):
        lc.ArkEmbeddings(api_key=KEY).embed_documents([Document("a")])


def test_a_pillow_image_where_a_path_belongs_is_named_with_its_module():
    with pytest.raises(InputError, match=r"got PIL\.Image\.Image"):
        Image.from_path(Pillow.new("RGB", (8, 8)))


LLAMA_INDEX_MODEL = {
    "node embedder": lambda model: li.MultiModalNodeEmbedder(embed_model=model),
    "node embedder, set later": lambda model: setattr(
        li.MultiModalNodeEmbedder(embed_model=li.ArkMultiModalEmbedding(api_key=KEY)), "embed_model", model
    ),
    "qdrant_sparse_fns": li.qdrant_sparse_fns,
    "milvus_sparse_function": li.milvus_sparse_function,
    "query_bundle": lambda model: li.query_bundle("a", embed_model=model),
}


@pytest.mark.parametrize("give", LLAMA_INDEX_MODEL.values(), ids=LLAMA_INDEX_MODEL)
@pytest.mark.parametrize("model", [lc.ArkEmbeddings(api_key=KEY), MockEmbedding(embed_dim=3), "a", {}])
def test_a_model_that_is_none_of_ours_is_answered_with_the_two_that_are(give, model):
    """A base class that no page mentions would help nobody."""
    said = (
        "embed_model must be ArkMultiModalEmbedding or DashScopeMultiModalEmbedding, "
        f"got {type(model).__name__}"
    )

    with pytest.raises(ConfigError, match=f"{said}$"):
        give(model)


@pytest.mark.parametrize("kind", [*KINDS, li.MultiModalNodeEmbedder])
def test_an_argument_without_a_name_is_refused_in_the_class_s_own_name(kind):
    with pytest.raises(ConfigError, match=f"^{kind.__name__} accepts arguments by name only") as caught:
        kind("text-embedding-v4")

    assert isinstance(caught.value, TypeError)
    # Editors show only what can be passed.
    assert "unnamed" not in str(inspect.signature(kind))

"""What is no item is refused with its full type, its index, and the constructor that makes an item of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from canary import KEY
from langchain_core.documents import Document
from PIL import Image as Pillow

import langchain_volc_dashscope as lc
import llama_index_ext as li
from volc_dashscope import Client, Frames, Fused, Image, InputError, Reranker, estimate_cost

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

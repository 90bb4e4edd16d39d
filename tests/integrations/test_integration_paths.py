"""A path may be spelt as a `file:` URI wherever a path is taken, and stays inside `media_root`, a `str` or a `Path`."""

from __future__ import annotations

import asyncio
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from llama_index.core.schema import ImageNode, MediaResource, Node
from paintings import painted

from langchain_volc_dashscope import ArkEmbeddings, MediaDocument, media_of
from llama_index_ext import ArkMultiModalEmbedding, MultiModalNodeEmbedder, fingerprint, query_bundle
from volc_dashscope import Image, InputError
from volc_dashscope.bulk._records import Record, item_of
from volc_dashscope.ray._rows import Roles


@pytest.fixture
def red(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a red.png"
    path.write_bytes(painted("red"))
    (tmp_path / "out.png").write_bytes(painted("red"))
    return path


def _ways(inside, embed_model_of, root):
    chain = embed_model_of(ArkEmbeddings, inside, media_root=root)
    index = embed_model_of(ArkMultiModalEmbedding, inside, media_root=root)
    embedder = MultiModalNodeEmbedder(embed_model=index)

    def column(uri):
        cells = np.empty(1, dtype=object)
        cells[:] = [uri]
        (item,) = Roles(text=None, image="i", video=None, root=root, fps=None).items({"i": cells})
        if isinstance(item, InputError):
            raise item
        return item

    return {
        "embed_image": lambda uri: chain.embed_image([uri]),
        "aembed_images": lambda uri: asyncio.run(chain.aembed_images([uri])),
        "DashScope block": lambda uri: chain.embed_documents([{"image": uri}]),
        "v1 block": lambda uri: chain.embed_query({"type": "image", "url": uri}),
        "image_url block": lambda uri: chain.embed_contents(
            [{"type": "image_url", "image_url": {"url": uri}}]
        ),
        "get_image_embedding": index.get_image_embedding,
        "query_bundle": lambda uri: query_bundle(image=uri, embed_model=index),
        "ImageNode path": lambda uri: embedder([ImageNode(image_path=uri)]),
        "ImageNode URL": lambda uri: embedder([ImageNode(image_url=uri)]),
        "Node": lambda uri: embedder([Node(image_resource=MediaResource(url=uri))]),
        "fingerprint": lambda uri: fingerprint([ImageNode(image_path=uri)], media_root=root),
        "bulk": lambda uri: item_of(Record(0, "0", (("image", uri),)), Path(root)),
        "Ray": column,
    }


@pytest.mark.parametrize("root", [str, Path])
def test_a_file_uri_inside_the_root_is_read(inside, embed_model_of, red, root):
    for way, embed in _ways(inside, embed_model_of, root(red.parent)).items():
        assert (way, True) == (way, bool(embed(red.as_uri())))


def test_a_file_uri_outside_the_root_is_refused(inside, embed_model_of, red):
    for way, embed in _ways(inside, embed_model_of, red.parent).items():
        with pytest.raises(InputError, match="outside root") as caught:
            embed((red.parents[1] / "out.png").as_uri())
        assert (way, 0) == (way, len(inside.emulator.ledger)), caught


@pytest.mark.parametrize("scheme", ["tos", "s3"])
def test_a_scheme_nobody_fetches_is_named(inside, embed_model_of, red, scheme):
    for way, embed in _ways(inside, embed_model_of, red.parent).items():
        with pytest.raises(InputError, match=f"scheme '{scheme}' cannot be used"):
            embed(f"{scheme}://bucket/red.png")
        assert (way, 0) == (way, len(inside.emulator.ledger))


def test_the_address_in_metadata_is_embedded_as_it_is(inside, embed_model_of, red):
    document = MediaDocument(Image.from_path(red))
    chain = embed_model_of(ArkEmbeddings, inside, media_root=red.parent)

    rows = chain.embed_image([document.metadata["media_uri"]])

    assert rows == chain.embed_documents([media_of(document, root=red.parent)])


def test_a_block_opens_no_file_without_a_root(inside, embed_model_of, red):
    chain = embed_model_of(ArkEmbeddings, inside)

    with pytest.raises(InputError, match="set media_root"):
        chain.embed_documents([{"image": red.as_uri()}])

    assert 0 == len(inside.emulator.ledger)


def test_a_root_that_is_a_path_is_written_down_as_text(red):
    index = ArkMultiModalEmbedding(api_key="k", media_root=red.parent)

    assert str(red.parent) == json.loads(index.to_json())["media_root"]
    assert str(red.parent) == pickle.loads(pickle.dumps(index)).media_root

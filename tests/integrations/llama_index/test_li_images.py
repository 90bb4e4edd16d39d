"""Images in every form a node or a query can hold them, through core's indexes and retrievers."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import pytest
from li_samples import GREEN, RED
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.schema import (
    ImageDocument,
    ImageNode,
    MediaResource,
    Node,
    NodeWithScore,
    QueryBundle,
    TextNode,
)
from paintings import data_uri, painted
from pydantic import ValidationError
from samples import PICTURE_URL, picture

from llama_index_ext import (
    ArkMultiModalEmbedding,
    DashScopeMultiModalEmbedding,
    DashScopeRerank,
    MultiModalNodeEmbedder,
    aquery_bundle,
    fingerprint,
    query_bundle,
)
from volc_dashscope import ConfigError, Image, InputError

B64 = b64encode(painted()).decode()

NODES = {
    "ImageNode(image=base64)": lambda path: ImageNode(id_=RED, image=B64),
    "ImageNode(image=data URI)": lambda path: ImageNode(id_=RED, image=data_uri(painted())),
    "ImageNode(image_path=)": lambda path: ImageNode(id_=RED, image_path=str(path)),
    "ImageNode(image_url=data URI)": lambda path: ImageNode(id_=RED, image_url=data_uri(painted())),
    "ImageNode(image_resource=path)": lambda path: ImageNode(
        id_=RED, image_resource=MediaResource(path=path)
    ),
    "Node(image_resource=bytes)": lambda path: Node(id_=RED, image_resource=MediaResource(data=painted())),
    "Node(image_resource=base64)": lambda path: Node(
        id_=RED, image_resource=MediaResource(data=B64.encode())
    ),
    "Node(image_resource=path)": lambda path: Node(id_=RED, image_resource=MediaResource(path=path)),
    "ImageDocument(image_path=)": lambda path: ImageDocument(id_=RED, image_path=str(path)),
}
QUERIES = {
    "path": str,
    "Path": lambda path: path,
    "data URI": lambda path: data_uri(painted()),
    "BytesIO": lambda path: BytesIO(painted()),
    "bytes": lambda path: painted(),
    "Pillow image": lambda path: picture(),
    "Image": Image.from_path,
}


@pytest.mark.parametrize("make", NODES.values(), ids=NODES)
def test_every_form_of_a_picture_in_a_node_is_the_same_picture(inside, embed_model_of, pictures, make):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    green = ImageNode(id_=GREEN, image_path=str(pictures["green"]))

    index = VectorStoreIndex(
        MultiModalNodeEmbedder(embed_model=embed_model)([make(pictures["red"]), green]),
        embed_model=embed_model,
    )
    hits = index.as_retriever(similarity_top_k=1).retrieve(
        query_bundle(image=pictures["red"], embed_model=embed_model)
    )

    assert [RED] == [hit.node.node_id for hit in hits]
    # The emulator tells roles apart, so a document and a query of one picture are near, not equal.
    assert hits[0].score > 0.95


@pytest.mark.parametrize("form", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_every_form_of_a_picture_in_a_query_is_the_same_query(
    inside, embed_model_of, pictures, form, mode
):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    given = form(pictures["red"])

    made = (
        await aquery_bundle(image=given, embed_model=embed_model)
        if mode == "async"
        else query_bundle(image=given, embed_model=embed_model)
    )

    assert query_bundle(image=data_uri(painted()), embed_model=embed_model).embedding == made.embedding
    assert isinstance(made, QueryBundle)


@pytest.mark.parametrize("form", [str, lambda path: data_uri(painted())], ids=["path", "URI"])
async def test_cores_retriever_takes_every_form_it_can_pass_on(inside, embed_model_of, pictures, form):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    nodes = fingerprint(
        [
            ImageNode(id_=RED, image_path=str(pictures["red"])),
            ImageNode(id_=GREEN, image_path=str(pictures["green"])),
        ]
    )
    retriever: Any = MultiModalVectorStoreIndex(
        nodes, embed_model=embed_model, image_embed_model=embed_model
    ).as_retriever(image_similarity_top_k=1)
    given = form(pictures["red"])

    hits = retriever.image_to_image_retrieve(given)
    awaited = await retriever.aimage_to_image_retrieve(form(pictures["red"]))

    assert [RED] == [hit.node.node_id for hit in hits] == [hit.node.node_id for hit in awaited]


def test_bytes_that_are_no_image_are_an_error_and_not_a_vector(inside, embed_model_of):
    """Core's downloader hands over the page of a 404 as a picture."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    page = b64encode(b"<!DOCTYPE html><title>404 Not Found</title>").decode()

    with pytest.raises(InputError):
        # The caption keeps core from dropping the node as empty.
        MultiModalVectorStoreIndex(
            [ImageNode(image=page, metadata={"caption": "page"})],
            embed_model=embed_model,
            image_embed_model=embed_model,
        )
    assert 0 == len(inside.emulator.ledger)


def test_core_drops_pictures_without_content_from_its_multimodal_index(inside, embed_model_of, pictures):
    """The reason why `fingerprint` and the embedder give such nodes a line of metadata."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    node = ImageNode(image_path=str(pictures["red"]))

    MultiModalVectorStoreIndex([node], embed_model=embed_model, image_embed_model=embed_model)
    dropped = len(inside.emulator.ledger)
    MultiModalVectorStoreIndex(fingerprint([node]), embed_model=embed_model, image_embed_model=embed_model)

    assert (0, 1) == (dropped, len(inside.emulator.ledger))


def test_core_drops_the_data_of_a_resource_on_an_image_node_and_that_is_an_error(inside, embed_model_of):
    """`ImageNode(image_resource=MediaResource(data=...))` forgets the bytes; use `Node`."""
    node = ImageNode(image_resource=MediaResource(data=painted()))

    with pytest.raises(InputError, match="no text, image or video"):
        MultiModalNodeEmbedder(embed_model=embed_model_of(ArkMultiModalEmbedding, inside))([node])


def test_core_refuses_the_url_of_a_resource_on_an_image_node():
    """Use `Node`, or `image_url=`."""
    with pytest.raises(ValidationError, match="image_url"):
        ImageNode(image_resource=MediaResource(url=PICTURE_URL))


async def test_core_cannot_persist_a_docstore_with_the_url_of_a_resource(inside, embed_model_of, tmp_path):
    """Use a path, or a store that keeps nodes itself."""
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, inside)
    nodes = MultiModalNodeEmbedder(embed_model=embed_model)(
        [Node(image_resource=MediaResource(url=PICTURE_URL))]
    )
    index = VectorStoreIndex(nodes, embed_model=embed_model)

    with pytest.raises(TypeError, match="AnyUrl"):
        index.storage_context.persist(str(tmp_path / "context"))


@pytest.mark.parametrize("store", ["Qdrant", "Milvus Lite"])
async def test_core_hides_texts_beside_image_nodes_unless_it_keeps_all_nodes(
    inside, embed_model_of, store_setup_of, pictures, store
):
    """`VectorStoreIndex` lists image nodes only, and its retriever asks these two stores for listed nodes only."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    nodes = [TextNode(text="a walk by the blue sea"), ImageNode(image_path=str(pictures["red"]))]
    ready = MultiModalNodeEmbedder(embed_model=embed_model)(nodes)

    def kinds(index: VectorStoreIndex) -> set[str]:
        return {type(hit.node).__name__ for hit in index.as_retriever(similarity_top_k=9).retrieve("sea")}

    def index(name: str, **settings: Any) -> VectorStoreIndex:
        context = StorageContext.from_defaults(vector_store=setup.open(name))
        return VectorStoreIndex(ready, storage_context=context, embed_model=embed_model, **settings)

    setup = store_setup_of(store, embed_model.dimension)
    hidden = index("plain")

    assert {"ImageNode"} == kinds(hidden)
    assert {"ImageNode", "TextNode"} == kinds(index("kept", store_nodes_override=True))
    assert {"ImageNode", "TextNode"} == kinds(
        VectorStoreIndex.from_vector_store(hidden.vector_store, embed_model=embed_model)
    )


def test_a_query_of_nothing_is_refused(inside, embed_model_of):
    with pytest.raises(InputError, match="text, image or video"):
        query_bundle(embed_model=embed_model_of(ArkMultiModalEmbedding, inside))


def test_a_query_needs_an_embedding_of_ours():
    with pytest.raises(ConfigError, match="embed_model"):
        query_bundle("red")


def test_a_fused_query_is_one_request_in_the_querys_role(inside, embed_model_of, pictures):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)

    query_bundle(
        "but blue", image=pictures["red"], video="https://example.com/cat.mp4", embed_model=embed_model
    )

    (entry,) = inside.emulator.ledger
    assert ["text", "image_url", "video_url"] == [part["type"] for part in entry.body["input"]]
    assert entry.body["instructions"].startswith("Target_modality: ")


def test_a_query_is_averaged_where_the_model_cannot_fuse(inside, embed_model_of, pictures):
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, inside, model="tongyi-embedding-vision-plus")

    made = query_bundle("red", image=pictures["red"], embed_model=embed_model)

    apart = [
        query_bundle("red", embed_model=embed_model),
        query_bundle(image=pictures["red"], embed_model=embed_model),
    ]
    assert 1e-5 > abs(sum(number * number for number in made.embedding or []) - 1)
    assert all(made.embedding != query.embedding for query in apart)


@pytest.mark.parametrize("kind", [ArkMultiModalEmbedding, DashScopeMultiModalEmbedding])
async def test_request_bodies_of_query_and_document_differ_as_they_should(inside, embed_model_of, kind):
    embed_model = embed_model_of(
        kind, inside, **({"model": "text-embedding-v4"} if kind is DashScopeMultiModalEmbedding else {})
    )
    index = VectorStoreIndex([TextNode(text="shoe")], embed_model=embed_model)

    index.as_retriever().retrieve("shoe")
    await index.as_retriever().aretrieve("shoe")

    document, query, awaited = [entry.body for entry in inside.emulator.ledger]
    assert query == awaited
    if kind is ArkMultiModalEmbedding:
        assert "Instruction:Compress the text into one word.\nQuery:" == document["instructions"]
        assert query["instructions"] == f"Target_modality: text/image/video.\n{document['instructions']}"
    else:
        assert ("document", "query") == (
            document["parameters"]["text_type"],
            query["parameters"]["text_type"],
        )


def test_the_id_of_a_node_does_not_control_a_terminal(inside, embed_model_of, caplog):
    """Readers name nodes after files."""
    name = "a\x1b[2J\nb"
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, inside)
    embedder = MultiModalNodeEmbedder(embed_model=embed_model)
    reranker = DashScopeRerank(model="qwen3-vl-rerank", **inside.settings("dashscope"))
    missing = ImageNode(id_=name, image_path="/missing.png")

    for refused in (
        lambda: embedder([missing]),
        lambda: fingerprint([missing]),
        lambda: reranker.postprocess_nodes([NodeWithScore(node=missing)], query_str="red"),
    ):
        with pytest.raises(InputError, match=r"node 'a\\x1b\[2J\\nb'"):
            refused()
    embedder(
        [Node(id_=name, text_resource=MediaResource(text="red"), audio_resource=MediaResource(data=b"a"))]
    )

    assert ["node 'a\\x1b[2J\\nb': audio not embedded"] == caplog.messages

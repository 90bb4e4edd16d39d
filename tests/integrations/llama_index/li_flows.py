"""The ways nodes go into a store and come out again, each ending in an index over the store opened anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from li_local_stores import StoreSetup
from llama_index.core import StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode

from llama_index_ext import MultiModalNodeEmbedder, fingerprint

Flow: TypeAlias = "Callable[[StoreSetup, Any, Sequence[BaseNode]], Awaitable[Any]]"


async def pipeline(setup: StoreSetup, embed_model: Any, nodes: Sequence[BaseNode]) -> VectorStoreIndex:
    """`IngestionPipeline` with the node embedder, straight into the store where the store keeps nodes."""
    store = setup.open() if setup.keeps_text else None
    made = IngestionPipeline(
        transformations=[MultiModalNodeEmbedder(embed_model=embed_model)], vector_store=store
    )
    ready = await made.arun(nodes=nodes) if setup.awaited else made.run(nodes=nodes)
    if not setup.keeps_text:
        return await _indexed(setup, embed_model, ready)
    await setup.close()
    return VectorStoreIndex.from_vector_store(setup.reopen(), embed_model=embed_model)


async def index(setup: StoreSetup, embed_model: Any, nodes: Sequence[BaseNode]) -> VectorStoreIndex:
    """The node embedder by itself, then `VectorStoreIndex(nodes, store_nodes_override=True)`."""
    embedder = MultiModalNodeEmbedder(embed_model=embed_model)
    return await _indexed(
        setup, embed_model, await embedder.acall(nodes) if setup.awaited else embedder(nodes)
    )


async def multimodal(
    setup: StoreSetup, embed_model: Any, nodes: Sequence[BaseNode]
) -> MultiModalVectorStoreIndex:
    """Core's index of two stores, which embeds through the hooks; it drops pictures without a fingerprint."""
    nodes = fingerprint(nodes)
    context = StorageContext.from_defaults(
        vector_store=setup.open("texts"), image_store=setup.open("pictures"), docstore=None
    )
    models = {"embed_model": embed_model, "image_embed_model": embed_model}
    if setup.awaited:
        made = MultiModalVectorStoreIndex([], storage_context=context, **models)
        await made.ainsert_nodes(nodes)
    else:
        MultiModalVectorStoreIndex(nodes, storage_context=context, **models)
    return await _reloaded(setup, context, {"vector_store": "texts", "image_store": "pictures"}, **models)


async def _indexed(setup: StoreSetup, embed_model: Any, nodes: Sequence[BaseNode]) -> VectorStoreIndex:
    context = StorageContext.from_defaults(vector_store=setup.open())
    settings = {"storage_context": context, "embed_model": embed_model, "store_nodes_override": True}
    if setup.awaited:
        await VectorStoreIndex([], **settings).ainsert_nodes(nodes)
    else:
        VectorStoreIndex(nodes, **settings)
    return await _reloaded(setup, context, {"vector_store": "nodes"}, embed_model=embed_model)


async def _reloaded(setup: StoreSetup, context: StorageContext, names: dict[str, str], **models: Any) -> Any:
    folder = str(setup.folder / "context")
    context.persist(folder)
    await setup.close()
    stores = {side: setup.reopen(name) for side, name in names.items()}
    return load_index_from_storage(StorageContext.from_defaults(persist_dir=folder, **stores), **models)

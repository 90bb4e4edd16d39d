"""What LangChain's tracers are given (LangSmith's client reads the same runs): no base64 of any picture."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langchain_core.vectorstores import InMemoryVectorStore
from paintings import data_uri, painted

from langchain_volc_dashscope import ArkEmbeddings, DashScopeRerank, MediaDocument, media
from volc_dashscope import Image

RED = painted("red")
PICTURES = {"file": None, "data URI": Image.from_url(data_uri(RED)), "bytes": Image.from_bytes(RED)}


def _item(name: str, folder) -> Image:
    if (known := PICTURES[name]) is not None:
        return known
    path = folder / "red.png"
    path.write_bytes(RED)
    return Image.from_path(path)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("awaited", [False, True])
async def test_a_retriever_and_a_reranker(inside, embed_model_of, tmp_path, name, awaited):
    item = _item(name, tmp_path)
    store = InMemoryVectorStore(embed_model_of(ArkEmbeddings, inside))
    store.add_documents([MediaDocument(item), Document("a red chair")])
    reranker = DashScopeRerank(model="qwen3-vl-rerank", **inside.settings("dashscope"))
    query = media(item)
    chain = store.as_retriever(search_kwargs={"k": 2}) | RunnableLambda(
        lambda found: reranker.compress_documents(found, "a red picture")
    )
    runs = RunCollectorCallbackHandler()

    found = (
        await chain.ainvoke(query, {"callbacks": [runs]})
        if awaited
        else chain.invoke(query, {"callbacks": [runs]})
    )

    assert len(found) == 2
    written = json.dumps([run.model_dump(mode="json") for run in runs.traced_runs], default=str)
    assert "media:sha256:" in written
    assert b64encode(RED).decode()[:60] not in written

"""The content of a picture is nowhere but in the vector: not in a store's files, not in a trace."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.load import dumps, loads
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import create_retriever_tool
from langchain_core.tracers.langchain import LangChainTracer
from langchain_core.vectorstores import InMemoryVectorStore
from langsmith import Client as LangSmith
from lc_local_stores import STORE_SETUPS
from PIL import Image as Pillow

from langchain_volc_dashscope import ArkEmbeddings, MediaDocument, MediaStr, media, media_of
from volc_dashscope import Fused, Image, InputError

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the stores' packages
    pytest.mark.filterwarnings("ignore:.*ORM-style PyMilvus API"),  # langchain-milvus 0.3 uses it
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # SQLite files the stores leave to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _noise() -> bytes:
    """Return a picture whose bytes look like nothing else."""
    buffer = BytesIO()
    Pillow.frombytes("RGB", (24, 24), Random(4).randbytes(24 * 24 * 3)).save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = _noise()


def _traces(held: bytes) -> list[str]:
    """Return in which forms a picture's content is in some bytes."""
    middle = PICTURE[300:600]
    forms = {
        "bytes": middle[:40],
        "hex": middle[:40].hex().encode(),
        **{f"base64 +{shift}": b64encode(middle[shift:])[4:60] for shift in range(3)},
    }
    return [name for name, form in forms.items() if form in held]


def _files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_search_for_content_finds_it_in_every_form():
    encoded = [b64encode(b"x" * shift + PICTURE) for shift in range(3)]

    assert ["bytes"] == _traces(PICTURE)
    assert ["hex"] == _traces(PICTURE.hex().encode())
    assert [1, 1, 1] == [len(_traces(text)) for text in encoded]


@pytest.mark.parametrize(
    "item",
    [
        Image.from_bytes(PICTURE),
        Fused("a picture of noise", Image.from_bytes(PICTURE)),
        Image.from_url(f"data:image/png;base64,{b64encode(PICTURE).decode()}"),
    ],
    ids=["image", "image+text", "data URI"],
)
@pytest.mark.parametrize("setup", STORE_SETUPS, ids=repr)
def test_no_store_writes_content_to_its_files(inside, embed_model_of, tmp_path, setup, item):
    embed_model = embed_model_of(ArkEmbeddings, inside, dimensions=1024)
    address = "https://example.com/noise.png"
    with setup.open(embed_model, tmp_path, "held") as store:
        store.add_documents([MediaDocument(item, caption="noise", media_uri=address)])
        store.add_texts([media(item)], metadatas=[{"media_uri": address}])
        setup.flush(store, tmp_path)
        found = store.similarity_search(media(item), k=2)

    held = _files(tmp_path)

    assert b"noise.png" in held
    assert [] == _traces(held)
    assert 2 == len(found)
    assert max(len(hit.page_content) for hit in found) < 120


@pytest.mark.parametrize("uri", ["data:image/png;base64,AAAA", " Data:image/png;base64,AAAA"])
@pytest.mark.parametrize("make", [MediaDocument, media])
def test_a_data_uri_is_no_address(make, uri):
    with pytest.raises(InputError, match="data URI"):
        make(Image.from_bytes(PICTURE), media_uri=uri)


@pytest.mark.parametrize(
    "words", [{"caption": None}, {"caption": 3}, {"media_uri": 3}, {"media_uri": Path("a")}]
)
@pytest.mark.parametrize("make", [MediaDocument, media])
def test_a_caption_or_address_of_another_type_is_refused(make, words):
    with pytest.raises(InputError, match=r"must be str"):
        make(Image.from_bytes(PICTURE), **words)


@pytest.mark.parametrize("words", [{"metadata": "x"}, {"metadata": [1]}, {"captoin": "a chair"}])
def test_an_argument_that_would_be_lost_is_refused(words):
    with pytest.raises(
        InputError, match=r"metadata must be a dict|no argument 'captoin'; it has item, caption"
    ):
        MediaDocument(Image.from_bytes(PICTURE), **words)


@pytest.fixture
def langsmith() -> Iterator[tuple[LangChainTracer, list[bytes]]]:
    """Return a tracer, and everything it has sent."""
    received: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers.get("content-length") or 0)))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_PATCH = do_POST  # noqa: N815 - http.server's name

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = LangSmith(f"http://127.0.0.1:{server.server_port}", api_key="k", auto_batch_tracing=False)
    yield LangChainTracer(client=client), received
    client.close()
    server.shutdown()
    server.server_close()


def _retriever(embed_model: Any) -> Any:
    store = InMemoryVectorStore(embed_model)
    store.add_documents([MediaDocument(Image.from_bytes(PICTURE), caption="noise")])
    return store.as_retriever(search_kwargs={"k": 1})


QUERIES = {
    "media": media(Image.from_bytes(PICTURE)),
    "media, fused": media(Fused("like this", Image.from_bytes(PICTURE))),
    "flattened": str.__str__(media(Image.from_bytes(PICTURE))),
    "bare item": Image.from_bytes(PICTURE),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_traced_retrieval_sends_no_content(inside, embed_model_of, langsmith, query):
    tracer, received = langsmith
    chain = RunnableLambda(lambda given: given) | _retriever(embed_model_of(ArkEmbeddings, inside))

    chain.invoke(query, config={"callbacks": [tracer]})
    tracer.wait_for_futures()

    assert b"VectorStoreRetriever" in b"".join(received)
    assert [] == _traces(b"".join(received))


def test_a_traced_tool_sends_no_content(inside, embed_model_of, langsmith):
    tracer, received = langsmith
    tool = create_retriever_tool(_retriever(embed_model_of(ArkEmbeddings, inside)), "goods", "Finds goods.")

    answer = tool.invoke({"query": QUERIES["media"]}, config={"callbacks": [tracer]})
    tracer.wait_for_futures()

    assert answer.startswith("noise ⟦media:")
    assert b"goods" in b"".join(received)
    assert [] == _traces(b"".join(received))


def test_a_serialized_document_is_read_back_as_a_plain_one():
    document = MediaDocument(
        Image.from_bytes(PICTURE), caption="noise", media_uri="https://example.com/n.png"
    )

    written = dumps(document)
    read = loads(written, allowed_objects="core")

    assert [] == _traces(written.encode())
    assert Document is type(read)
    assert (document.page_content, document.metadata) == (read.page_content, read.metadata)


def test_what_is_shown_of_a_media_text_is_short():
    text = media(Image.from_bytes(PICTURE), "noise")

    assert MediaStr is type(text)
    assert f"noise ⟦media:sha256:{text.item.digest}⟧" == text
    assert [] == _traces(f"{text!r} {text.__dict__!r} {text.metadata!r}".encode())


def test_bytes_have_no_address_and_are_not_found_again():
    document = MediaDocument(Image.from_bytes(PICTURE))

    assert {"media_kind": "image"} == document.metadata
    with pytest.raises(InputError, match="no media_uri"):
        media_of(document)

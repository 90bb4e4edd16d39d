"""`MediaStr`, `MediaDocument`, the registry behind them, and texts that only look like them."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.documents import Document
from langchain_core.stores import InMemoryByteStore
from langchain_core.vectorstores import InMemoryVectorStore
from paintings import data_uri, painted

from langchain_volc_dashscope import (
    ArkEmbeddings,
    DashScopeEmbeddings,
    MediaDocument,
    MediaStr,
    media,
    uuid5_key,
)
from langchain_volc_dashscope.media_token import Registry
from volc_dashscope import BulkError, Frames, Fused, Image, InputError, Video
from volc_dashscope.integrations.hybrid import Refused

RED = Image.from_bytes(painted("red"))
STRANGE = f"a picture ⟦media:sha256:{'0' * 64}⟧"


def _flat(text: str) -> str:
    """Return a text as stores keep it: a plain `str`."""
    return "".join(list(text))


def _sent(mount) -> list[list[str]]:
    return [[part["type"] for part in request.body["input"]] for request in mount.emulator.ledger]


def test_a_token_is_resolved_wherever_a_store_flattened_it(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)
    text = media(RED, "a red square")

    whole, flat = embed_model.embed_documents([text, _flat(text)])

    assert str is type(_flat(text))
    assert whole == flat == embed_model.embed_image([data_uri(painted("red"))])[0]
    assert [["image_url"]] * 3 == _sent(inside)


HELD = {
    "a media text in a fused item": lambda text: Fused("this, but blue", text),
    "a flattened one in a fused item": lambda text: Fused("this, but blue", _flat(text)),
    "a media text of such an item": lambda text: media(Fused("this, but blue", text)),
    "a document of such an item": lambda text: (
        MediaDocument(Fused("this, but blue", _flat(text))).page_content
    ),
    "a media text in a text block": lambda text: ["this, but blue", {"type": "text", "text": text}],
    "a media text in a block of DashScope": lambda text: ["this, but blue", {"text": text}],
}


@pytest.mark.parametrize("hold", HELD.values(), ids=HELD)
async def test_a_token_inside_an_item_is_its_medium(inside, embed_model_of, hold):
    """The letters of a token would give a vector that means nothing."""
    embed_model = embed_model_of(ArkEmbeddings, inside)
    asked = hold(media(RED, "a red square"))

    found = [embed_model.embed_query(asked), await embed_model.aembed_query(asked)]

    meant = embed_model.embed_query(Fused("this, but blue", RED))
    assert [meant, meant] == found
    assert [["text", "image_url"]] * 3 == _sent(inside)


def test_media_of_a_media_text_is_the_same_text():
    text = media(RED, "a red square", media_uri="https://e.com/red.png")

    again, document = media(text), MediaDocument(text)

    assert (text, RED, text.metadata) == (again, again.item, again.metadata)
    assert (text, RED, text.metadata) == (document.page_content, document.item, document.metadata)
    assert "crimson" == media(text, "crimson").split(" ⟦")[0]


@pytest.mark.parametrize("make", [media, MediaDocument])
@pytest.mark.parametrize("item", [STRANGE, f"{STRANGE}?", Fused("a", STRANGE), Fused("a", f"{STRANGE}?")])
def test_no_item_is_made_of_a_token_that_stands_for_nothing(make, item):
    with pytest.raises(InputError, match="media token"):
        make(item)


def test_a_touched_token_in_a_fused_item_fails_alone_or_is_text(inside, embed_model_of):
    fused = Fused("this, but blue", f"{media(RED)}?")

    with pytest.raises(BulkError) as caught:
        embed_model_of(ArkEmbeddings, inside).embed_documents(["a", fused])
    vectors = embed_model_of(ArkEmbeddings, inside, unknown_media="text").embed_documents(["a", fused])

    assert [1] == list(caught.value.failures)
    assert 2 == len(vectors)


def test_tokens_depend_on_content_only(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "red.png").write_bytes(painted("red"))

    tokens = {
        media(Image.from_path(tmp_path / "a" / "red.png"), "one")[-79:],
        media(Image.from_path(tmp_path / "b" / "red.png"), "two", media_uri="https://example.com/x")[-79:],
        media(RED)[-79:],
    }

    assert 1 == len(tokens)
    assert media(Image.from_bytes(painted("blue")))[-79:] not in tokens


def test_a_whole_token_of_another_process_raises_and_says_why(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    for ask in (embed_model.embed_query, lambda text: embed_model.embed_documents([text])):
        with pytest.raises(InputError, match=r"this process did not make.*unknown_media=\"text\"") as caught:
            ask(STRANGE)
        assert (0, 0) == (caught.value.index, len(inside.emulator.ledger))


TOKEN = _flat(media(RED))[-79:]
TOUCHED = {
    "full stop": f"{TOKEN}.",
    "question mark": f"{TOKEN}?",
    "quotes": f'"{TOKEN}"',
    "JSON": json.dumps({"query": TOKEN}, ensure_ascii=False),
    "ASCII JSON": json.dumps({"query": TOKEN}),
    "prompt template": f"Question: {TOKEN}\nAnswer:",
    "in the middle": f"{TOKEN} and more",
    "zero-width space": f"{TOKEN}\u200b",
    "two tokens": f"{TOKEN} {TOKEN}",
    "capitals": TOKEN.upper(),
    "without its last bracket": TOKEN[:-1],
    "without its first bracket": TOKEN[1:],
    "cut in its digest, first piece": TOKEN[:40],
    "cut in its digest, second piece": TOKEN[40:],
    "cut after its name": TOKEN[:7],
    "cut within its name": f"a red square {TOKEN[:4]}",
    "its last digit": f"{TOKEN[-2:]} and the next caption",
    "63 digits": f"⟦media:sha256:{'a' * 63}⟧",
    "another hash": f"⟦media:md5:{'a' * 64}⟧",
    "a path": "⟦media:/etc/passwd⟧",
    "HTML": TOKEN.replace("⟦", "&#10214;").replace("⟧", "&#10215;"),
    "HTML, hexadecimal": TOKEN.replace("⟦", "&#x27e6;").replace("⟧", "&#X27E7;"),
    "HTML, by name": TOKEN.replace("⟦", "&lobrk;").replace("⟧", "&RightDoubleBracket;"),
    "HTML, twice": TOKEN.replace("⟦", "&amp;#10214;").replace("⟧", "&amp;#10215;"),
    "second piece of HTML": TOKEN[40:].replace("⟧", "&#10215;"),
    "URL": quote(TOKEN),
    "second piece of a URL": quote(TOKEN[40:]),
    "UTF-8 read as Latin-1": TOKEN.encode().decode("latin-1"),
    "UTF-8 read as Windows-1252": TOKEN.encode().decode("cp1252"),
    "ASCII": TOKEN.encode("ascii", "replace").decode(),
    "GBK": TOKEN.encode("gbk", "replace").decode("gbk"),
    "replaced characters": TOKEN.replace("⟦", "\ufffd").replace("⟧", "\ufffd"),
    "spaces in its brackets": TOKEN.replace("⟦", "⟦ ").replace("⟧", " ⟧"),
    "a space before its last bracket": TOKEN[40:].replace("⟧", " ⟧"),
    "cleaned to ASCII": TOKEN.encode("ascii", "ignore").decode(),
    "cleaned to ASCII, with a caption": f"a red square {TOKEN}\n".encode("ascii", "ignore").decode(),
}


@pytest.mark.parametrize("text", TOUCHED.values(), ids=TOUCHED)
def test_a_token_that_was_touched_is_refused(inside, embed_model_of, text):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    for ask in (
        embed_model.embed_query,
        lambda given: embed_model.embed_documents([given]),
        lambda given: embed_model.embed_query([given]),
    ):
        with pytest.raises(InputError, match='unknown_media="text"'):
            ask(text)

    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("text", TOUCHED.values(), ids=TOUCHED)
def test_a_corpus_of_strangers_is_embedded_as_it_stands(inside, embed_model_of, text):
    embed_model = embed_model_of(ArkEmbeddings, inside, unknown_media="text")

    embed_model.embed_documents([text])

    assert [text] == inside.emulator.ledger.texts


@pytest.mark.parametrize("space", ["\n", " ", "\t\r\n", "\N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}"])
def test_white_space_behind_a_token_is_ignored(inside, embed_model_of, space):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    assert embed_model.embed_query(media(RED)) == embed_model.embed_query(f"a red square {TOKEN}{space}")
    assert [["image_url"]] * 2 == _sent(inside)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("bad", [STRANGE, TOUCHED["full stop"]])
async def test_one_such_text_does_not_cost_the_others(inside, embed_model_of, bad, hybrid):
    embed_model = embed_model_of(DashScopeEmbeddings, inside, model="text-embedding-v4")
    if hybrid:
        embed_model.qdrant_sparse()
    texts = [f"text {number}" for number in range(20)]
    texts[7] = bad

    with pytest.raises(BulkError, match="item 7: the text") as caught:
        embed_model.embed_documents(texts)
    with pytest.raises(BulkError, match="item 7: the text") as again:
        await embed_model.aembed_documents(texts)
    assert [7] == list(caught.value.failures) == list(again.value.failures)
    assert (7, InputError) == (caught.value.index, type(caught.value.failures[7]))
    paid = len(inside.emulator.ledger)
    texts[7] = "mended"
    rows = embed_model.embed_documents(texts)

    assert 2 == paid
    assert sorted(texts) == sorted(inside.emulator.ledger.texts)
    assert 20 == len(rows)


def test_in_hybrid_use_neither_texts_nor_pictures_are_paid_twice(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)
    embed_model.qdrant_sparse()
    items = ["a text", RED, STRANGE]

    for _ in range(2):
        with pytest.raises(BulkError, match="item 2: the text") as caught:
            embed_model.embed_documents(items)
    rows = embed_model.embed_documents(items[:2])

    assert ([2], 2) == (list(caught.value.failures), len(rows))
    assert 2 == len(inside.emulator.ledger)


def test_a_bad_text_among_sparse_ones_is_an_error_and_no_empty_vector(inside, embed_model_of):
    sparse = embed_model_of(DashScopeEmbeddings, inside, model="text-embedding-v4").qdrant_sparse()

    with pytest.raises(InputError, match="item 1: the text"):
        sparse.embed_documents(["a", STRANGE])


def test_a_group_that_stops_at_the_first_failure_is_not_begun(inside):
    refused = Refused(InputError("of no use")).as_item()

    with pytest.raises(InputError, match="item 1: of no use"):
        inside.client("text-embedding-v4").embed(["a", refused], on_error="abort")

    assert 0 == len(inside.emulator.ledger)


def test_nothing_is_sent_where_every_text_is_refused(inside, embed_model_of):
    with pytest.raises(BulkError) as caught:
        embed_model_of(ArkEmbeddings, inside).embed_documents([STRANGE, STRANGE])

    assert ([0, 1], 0) == (list(caught.value.failures), len(inside.emulator.ledger))


def test_a_caption_may_be_the_text_of_an_earlier_document_but_hold_no_piece():
    assert media(RED, "red") == media(RED, _flat(media(Image.from_bytes(painted("blue")), "red")))
    with pytest.raises(InputError, match="the caption contains a media token"):
        media(RED, f"{TOKEN} and more")


def test_unknown_media_may_be_embedded_as_text(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside, unknown_media="text")

    embed_model.embed_documents([STRANGE, media(RED)])

    assert [STRANGE] == inside.emulator.ledger.texts
    assert [["image_url"], ["text"]] == sorted(_sent(inside))


@pytest.mark.parametrize("wrong", ["skip", "", None])
def test_unknown_media_is_one_of_two_words(wrong):
    with pytest.raises(ValueError, match="unknown_media"):
        ArkEmbeddings(api_key="k", unknown_media=wrong)


HOSTILE = {
    "path": "/etc/passwd",
    "home": "~/.ssh/id_rsa",
    "file URL": "file:///etc/passwd",
    "metadata service": "http://169.254.169.254/latest/meta-data/",
    "URL of a picture": "https://example.com/red.png",
    "data URI": "data:image/png;base64,iVBORw0KGgo=",
    "oss": "oss://bucket/key.png",
    "windows path": r"\\server\share\x.png",
    "token in other brackets": TOKEN.replace("⟦", "[[").replace("⟧", "]]"),
    "other marks": "what is media: 12345678 ⟨cafebabe⟩ &#10214;x&#10215; %E2%9F%A6x%E2%9F%A7",
    "semantic brackets": "the meaning of ⟦e⟧ is ⟦medium⟧ of ⟦cafe⟧",
    "a digest": f"media:sha256:{'a' * 64}",
    "block as text": '{"type": "image", "url": "file:///etc/passwd"}',
}


def _use(store: InMemoryVectorStore, text: str) -> None:
    store.add_documents([Document(text)])
    store.add_texts([text])
    store.similarity_search(text)
    store.as_retriever().invoke(text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_strings_are_embedded_as_the_text_they_are(inside, embed_model_of, audit, text):
    embed_model = embed_model_of(ArkEmbeddings, inside)
    store = InMemoryVectorStore(embed_model)
    _use(store, "what is imported late is imported now")
    inside.emulator.ledger.clear()
    audit.files_opened.clear()
    audit.dialled.clear()

    _use(store, text)

    assert [text] * 4 == inside.emulator.ledger.texts
    assert [["text"]] * 4 == _sent(inside)
    assert [] == audit.files_opened
    assert [] == audit.dialled


@pytest.mark.parametrize("address", ["file:///etc/passwd", "/etc/passwd", "http://169.254.169.254/"])
def test_an_address_in_metadata_is_not_looked_at_when_embedding(inside, embed_model_of, audit, address):
    store = InMemoryVectorStore(embed_model_of(ArkEmbeddings, inside))
    audit.files_opened.clear()
    audit.dialled.clear()

    store.add_documents(
        [MediaDocument(RED, media_uri=address), Document("a", metadata={"media_uri": address})]
    )
    store.similarity_search("a")

    assert [] == audit.files_opened
    assert [] == audit.dialled


def test_the_registry_holds_no_more_items_than_it_may():
    registry = Registry(max_items=3, max_bytes=10**9)
    for number in range(5):
        registry.add(f"{number}", Image.from_url(f"https://example.com/{number}.png"))

    assert [None, None] == [registry.find("0"), registry.find("1")]
    assert 3 == len(registry)
    assert Image.from_url("https://example.com/4.png") == registry.find("4")


def test_the_registry_holds_no_more_bytes_than_it_may():
    size = len(painted("red"))
    registry = Registry(max_items=100, max_bytes=2 * size)
    for colour in ("red", "green", "black"):
        registry.add(colour, Image.from_bytes(painted(colour)))

    assert registry.find("red") is None
    assert 2 == len(registry)


def test_the_registry_forgets_what_was_not_used_for_longest():
    registry = Registry(max_items=2, max_bytes=10**9)
    registry.add("a", Image.from_url("https://example.com/a.png"))
    registry.add("b", Image.from_url("https://example.com/b.png"))
    registry.find("a")
    registry.add("c", Image.from_url("https://example.com/c.png"))

    assert [True, False, True] == [registry.find(key) is not None for key in "abc"]


def test_urls_files_and_repetitions_weigh_nothing(tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))
    registry = Registry(max_items=100, max_bytes=len(painted("red")))
    registry.add("bytes", RED)
    registry.add("bytes", RED)
    registry.add("file", Image.from_path(path))
    registry.add("url", Fused("text", Video.from_url("https://example.com/a.mp4")))
    registry.add("frames", Frames([Image.from_path(path)]))

    assert 4 == len(registry)


def test_an_item_over_the_limit_is_held_alone():
    registry = Registry(max_items=100, max_bytes=1)
    registry.add("url", Image.from_url("https://example.com/a.png"))
    registry.add("red", RED)

    assert RED == registry.find("red")
    assert 1 == len(registry)


def test_threads_share_the_registry():
    registry = Registry(max_items=50, max_bytes=10**9)

    def work(start: int) -> None:
        for number in range(start, start + 300):
            registry.add(str(number), Image.from_url(f"https://example.com/{number}.png"))
            registry.find(str(number - 7))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(0, 8000, 1000)))

    assert 50 == len(registry)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda text: pickle.loads(pickle.dumps(text))])
def test_a_copy_of_a_media_text_is_one_as_well(copied):
    text = media(RED, "a red square", media_uri="https://example.com/red.png")

    twin = copied(text)

    assert MediaStr is type(twin)
    assert (text, text.item, text.media_uri) == (twin, twin.item, twin.media_uri)


MAKE = """
import pickle, sys
from langchain_volc_dashscope import MediaDocument, media
from volc_dashscope import Image
item = Image.from_path(sys.argv[1])
made = MediaDocument(item, caption="from afar") if sys.argv[2] == "document" else media(item, "from afar")
sys.stdout.buffer.write(pickle.dumps(made))
"""


@pytest.mark.parametrize("kind", ["document", "text"])
def test_what_a_worker_process_made_is_known_where_it_arrives(inside, embed_model_of, tmp_path, kind):
    # A colour no other test uses: this process must not know the token already.
    path = tmp_path / "one.png"
    path.write_bytes(painted("tan" if kind == "document" else "teal"))
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(path), kind], capture_output=True, check=True, cwd=root
    )

    made = pickle.loads(done.stdout)
    embed_model_of(ArkEmbeddings, inside).embed_documents(
        [made.page_content if kind == "document" else _flat(made)]
    )

    assert [["image_url"]] == _sent(inside)


def test_a_document_survives_what_frameworks_do_to_it():
    document = MediaDocument(RED, caption="red", metadata={"page": 1}, id="7")

    rebuilt = [
        Document(page_content=document.page_content, metadata=document.metadata, id=document.id),
        Document(**document.model_dump()),
        MediaDocument.model_validate(document.model_dump()),
        document.model_copy(),
        copy.deepcopy(document),
    ]

    assert {document.page_content} == {copied.page_content for copied in rebuilt}
    assert [{"media_kind": "image", "page": 1}] * 5 == [copied.metadata for copied in rebuilt]
    assert {"7"} == {copied.id for copied in rebuilt}


def test_a_document_without_an_item_is_refused():
    with pytest.raises(InputError, match="needs an item"):
        MediaDocument(caption="red")


def test_metadata_of_the_caller_is_not_changed_and_wins():
    own = {"media_uri": "https://example.com/other.png", "page": 3}

    document = MediaDocument(Image.from_url("https://example.com/red.png"), metadata=own)

    assert {"media_uri": "https://example.com/other.png", "page": 3} == own
    assert {"media_kind": "image", **own} == document.metadata


def test_captions_are_one_line():
    text = media(RED, "  a red\n\nsquare\t")

    assert text.startswith("a red square ⟦media:")


@pytest.mark.parametrize(
    "control", ["\x00", "\x07", "\x0b", "\x1b", "\x7f", "\x85", "\x9f", "\r\n", "\u2028", "\u2029"]
)
@pytest.mark.parametrize(
    "make", [media, lambda item, caption: MediaDocument(item, caption=caption).page_content]
)
def test_control_characters_of_a_caption_are_cleaned_as_line_breaks_are(make, control):
    text = make(RED, f"a red{control}square")

    assert text.startswith("a red square ⟦media:")


@pytest.mark.parametrize(
    "make", [media, lambda item, caption: MediaDocument(item, caption=caption).page_content]
)
def test_surrogates_of_a_caption_are_joined_or_refused(make):
    """A store would fail on half of one, long after the document was made."""
    assert make(RED, "a \ud83d\ude00").startswith("a \U0001f600 ⟦media:")
    with pytest.raises(InputError, match=r"caption: .*position 2.*replace"):
        make(RED, "a \ud83d")


def test_keys_of_documents_are_uuids_by_content_and_metadata():
    first = Document("a", metadata={"x": 1, "y": [2]})
    keys = {
        uuid5_key(first),
        uuid5_key(Document("a", metadata={"y": [2], "x": 1})),
        uuid5_key(Document("a", metadata={"y": [2], "x": 2})),
        uuid5_key(Document("b", metadata={"y": [2], "x": 1})),
        uuid5_key(MediaDocument(RED, caption="a")),
        uuid5_key(MediaDocument(Image.from_bytes(painted("blue")), caption="a")),
    }

    assert 5 == len(keys)
    assert {36} == {len(key) for key in keys}


def test_a_cache_that_keys_on_text_tells_pictures_apart(inside, embed_model_of):
    """CacheBackedEmbeddings knows texts only; a media text differs with its content."""
    embed_model = embed_model_of(ArkEmbeddings, inside)
    cached = CacheBackedEmbeddings.from_bytes_store(
        embed_model, InMemoryByteStore(), namespace=embed_model.fingerprint, key_encoder="sha256"
    )
    texts = [media(RED, "square"), media(Image.from_bytes(painted("blue")), "square")]

    first, second = cached.embed_documents(texts), cached.embed_documents(texts)

    assert first == second == embed_model.embed_documents(texts)
    assert first[0] != first[1]
    assert 4 == len(inside.emulator.ledger)


@pytest.mark.parametrize(
    ("store", "role"), [(True, "document"), (InMemoryByteStore(), "query")], ids=["the same store", "its own"]
)
def test_a_cache_that_keys_on_text_needs_another_store_for_queries(inside, embed_model_of, store, role):
    """As the guide warns: in one store a query finds the vector of the document with its text."""
    embed_model = embed_model_of(ArkEmbeddings, inside)
    cached = CacheBackedEmbeddings.from_bytes_store(
        embed_model,
        InMemoryByteStore(),
        namespace=embed_model.fingerprint,
        query_embedding_cache=store,
        key_encoder="sha256",
    )
    cached.embed_documents(["a red shoe"])

    expected = embed_model.embed_contents(["a red shoe"], text_type=role)
    assert expected == [cached.embed_query("a red shoe")]

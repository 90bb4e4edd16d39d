"""From a hit back to the picture: `media_of` and `content_blocks`, in this process and in a new one."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from lc_local_stores import STORE_SETUPS
from paintings import MP4, painted
from samples import PICTURE_URL, VIDEO_URL

from langchain_volc_dashscope import ArkEmbeddings, MediaDocument, content_blocks, media, media_of
from volc_dashscope import Frames, Fused, Image, InputError, Video
from volc_dashscope.inputs import digest

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the stores' packages
    pytest.mark.filterwarnings("ignore:.*ORM-style PyMilvus API"),  # langchain-milvus 0.3 uses it
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # SQLite files the stores leave to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROOT = Path(__file__).parents[3]
SHOE = Image.from_url(PICTURE_URL)
CAT = Video.from_url(VIDEO_URL)

ITEMS = {
    "image URL": SHOE,
    "video URL": CAT,
    "oss": Image.from_url("oss://bucket/red.png"),
    "video, sampled": Video.from_url(VIDEO_URL, fps=0.5, max_video_tokens=4096),
    "fused": Fused("a shoe", SHOE),
    "fused, picture first": Fused(SHOE, "a shoe"),
    "fused, two texts": Fused("a shoe", SHOE, "for running"),
    "fused, two media": Fused("both", SHOE, CAT),
    "fused, sampled video": Fused("slowly", Video.from_url(VIDEO_URL, fps=0.2)),
    "frames": Frames([SHOE, Image.from_url("https://example.com/2.png")]),
    "frames and text": Fused(Frames([SHOE, SHOE]), "a scene"),
}


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_the_item_is_restored_exactly(item):
    document = MediaDocument(item, caption="what it shows")
    metadata = json.loads(json.dumps(document.metadata))

    restored = media_of(Document("flattened", metadata=metadata))

    assert item == restored
    assert digest(item) == digest(restored)
    assert {str} == {type(value) for value in metadata.values()}


def test_a_plain_picture_needs_no_list_of_parts():
    assert {"media_kind": "image", "media_uri": PICTURE_URL} == MediaDocument(SHOE).metadata


def test_files_are_restored_from_their_path(tmp_path):
    paths = [tmp_path / name for name in ("red square.png", "蓝.png")]
    for path, colour in zip(paths, ("red", "blue"), strict=True):
        path.write_bytes(painted(colour))
    items = [*(Image.from_path(path) for path in paths), Frames([Image.from_path(path) for path in paths])]

    restored = [media_of(MediaDocument(item), root=tmp_path) for item in items]

    assert [digest(item) for item in items] == [digest(item) for item in restored]
    assert [path.as_uri() for path in paths] == [
        MediaDocument(item).metadata["media_uri"] for item in items[:2]
    ]


def test_bytes_are_found_again_by_the_address_given(tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))
    item = Fused("a red square", Image.from_bytes(painted("red")))

    restored = media_of(MediaDocument(item, media_uri=path.as_uri()))

    assert digest(item) == digest(restored)


WITHOUT_ADDRESS = {
    "after a URL": lambda held: MediaDocument(Fused("a shoe", SHOE, held)),
    "after one whose address is given": lambda held: MediaDocument(
        Fused("a shoe", held, held), media_uri="https://example.com/red.png"
    ),
    "among frames": lambda held: MediaDocument(Frames([SHOE, held])),
    "a video": lambda held: MediaDocument(Fused(SHOE, Video.from_bytes(MP4))),
}


@pytest.mark.parametrize("make", WITHOUT_ADDRESS.values(), ids=WITHOUT_ADDRESS)
def test_an_item_of_which_a_part_has_no_address_is_refused_and_not_returned_in_part(make):
    document = make(Image.from_bytes(painted("red")))
    stored = Document(document.page_content, metadata=document.metadata)

    assert "media_uri" in stored.metadata
    for read in (media_of, lambda given: content_blocks([given])):
        with pytest.raises(InputError, match="part of the item was made from bytes, which have no address"):
            read(stored)


def test_a_moved_collection_is_followed_by_changing_media_uri_alone(tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))
    document = MediaDocument(Fused("a red square", Image.from_path(path)))
    moved = {**document.metadata, "media_uri": "https://example.com/red.png"}

    restored = media_of(Document("x", metadata=moved))

    assert Fused("a red square", Image.from_url("https://example.com/red.png")) == restored


REFUSED = {
    "nothing": ({}, "no media_uri"),
    "empty": ({"media_uri": ""}, "no media_uri"),
    "not a str": ({"media_uri": 7}, "no media_uri"),
    "data URI": ({"media_uri": "data:image/png;base64,AAAA"}, "scheme 'data'"),
    "path": ({"media_uri": "/etc/passwd"}, "scheme ''"),
    "ftp": ({"media_uri": "ftp://example.com/a.png"}, "scheme 'ftp'"),
    "no picture": ({"media_uri": "file:///etc/passwd"}, "not an image|outside root"),
    "broken parts": ({"media_uri": PICTURE_URL, "media_parts": "{"}, "not written by MediaDocument"),
    "parts of another shape": (
        {"media_uri": PICTURE_URL, "media_parts": "[1]"},
        "not written by MediaDocument",
    ),
    "parts that are no str": (
        {"media_uri": PICTURE_URL, "media_parts": [1]},
        "not written by MediaDocument",
    ),
    "address of another type": ({"media_uri": PICTURE_URL, "media_parts": '[{"image": 5}]'}, "must be str"),
    "no host": ({"media_uri": "http://[::1"}, "malformed"),
    "a path without scheme but with a colon": ({"media_uri": "C:\\a.png"}, "scheme 'c'.*as_uri"),
    "a part of nothing": ({"media_uri": PICTURE_URL, "media_parts": "[{}]"}, "not written by MediaDocument"),
    "a part of two": (
        {"media_uri": PICTURE_URL, "media_parts": '[{"image": null, "text": "a"}]'},
        "not written by MediaDocument",
    ),
    "frames that are no list": (
        {"media_uri": PICTURE_URL, "media_parts": '[{"frames": {"a": 1}}]'},
        "not written by MediaDocument",
    ),
    "file in parts": (
        {"media_uri": PICTURE_URL, "media_parts": '[{"image": "file:///etc/passwd"}]'},
        "not an image|outside root",
    ),
}


@pytest.mark.parametrize(("metadata", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("fenced", [False, True], ids=["open", "fenced"])
def test_what_is_no_address_of_a_picture_is_refused(tmp_path, metadata, message, fenced):
    with pytest.raises(InputError, match=message):
        media_of(Document("x", metadata=metadata), root=tmp_path if fenced else None)


def test_root_is_a_fence(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.png").write_bytes(painted())
    document = Document("x", metadata={"media_uri": (tmp_path / "out.png").as_uri()})
    sneaky = Document("x", metadata={"media_uri": f"{(tmp_path / 'in').as_uri()}/../out.png"})

    for found in (document, sneaky):
        with pytest.raises(InputError, match="outside root"):
            media_of(found, root=tmp_path / "in")
        with pytest.raises(InputError, match="outside root"):
            content_blocks([found], root=tmp_path / "in")


def test_the_kind_is_guessed_where_others_wrote_the_metadata():
    video = Document("x", metadata={"media_uri": "https://example.com/a.mp4?sign=1"})
    image = Document("x", metadata={"media_uri": "https://example.com/a"})

    assert (Video, Image) == (type(media_of(video)), type(media_of(image)))


def test_blocks_are_what_chat_models_take(tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))
    documents = [
        Document("just a note"),
        MediaDocument(SHOE, caption="a shoe"),
        MediaDocument(CAT, caption="a cat"),
        MediaDocument(Image.from_path(path), caption="a red square"),
        MediaDocument(Frames([SHOE, SHOE]), caption="two frames"),
    ]

    blocks = content_blocks(documents)

    shoe = {"type": "image", "url": PICTURE_URL}
    expected = [
        {"type": "text", "text": "just a note"},
        {"type": "text", "text": "a shoe"},
        shoe,
        {"type": "text", "text": "a cat"},
        {"type": "video", "url": VIDEO_URL},
        {"type": "text", "text": "a red square"},
        {"type": "image", "base64": b64encode(painted("red")).decode(), "mime_type": "image/png"},
        {"type": "text", "text": "two frames"},
        shoe,
        shoe,
    ]
    assert expected == [{key: value for key, value in block.items() if key != "id"} for block in blocks]
    assert ["text", "text", "image"] == [block["type"] for block in HumanMessage(blocks[:3]).content_blocks]


def test_blocks_hold_no_token_and_no_address_of_a_file(tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))

    blocks = content_blocks([MediaDocument(Image.from_path(path), caption="a red square")])

    assert "media:sha256" not in str(blocks)
    assert str(tmp_path) not in str(blocks)


def test_blocks_can_be_embedded_again(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)
    blocks = content_blocks([MediaDocument(SHOE, caption="a shoe")])

    assert embed_model.embed_documents([Fused("a shoe", SHOE)]) == embed_model.embed_documents([blocks])


@pytest.mark.parametrize("knobs", [{"fps": 0.5}, {"fps": 2, "max_video_tokens": 20480}])
def test_a_block_says_how_its_video_is_sampled(inside, embed_model_of, knobs):
    embed_model = embed_model_of(ArkEmbeddings, inside)
    film = Video.from_url(VIDEO_URL, **knobs)

    block = content_blocks([MediaDocument(film)])[-1]
    embed_model.embed_documents([block])

    assert knobs == block["extras"]
    assert {**knobs, "url": VIDEO_URL} == inside.emulator.ledger[-1].body["input"][0]["video_url"]


@pytest.mark.parametrize("given", ["a red square", {"media_uri": PICTURE_URL}, None])
def test_what_is_no_document_is_refused(given):
    with pytest.raises(InputError, match=r"expected a Document"):
        media_of(given)
    with pytest.raises(InputError, match=r"expected a Document"):
        content_blocks([given])


NEW_PROCESS = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from langchain_community.vectorstores import FAISS
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient
from langchain_volc_dashscope import ArkEmbeddings, content_blocks, media_of
from volc_dashscope import Image
from volc_dashscope.emulator import Emulator
from volc_dashscope.inputs import digest

embed_model = ArkEmbeddings(api_key="k", dimensions=1024, http_client=Emulator().http_client())
folder = Path(sys.argv[1])
client = QdrantClient(path=str(folder / "qdrant-kept"))
stores = [
    FAISS.load_local(str(folder), embed_model, "faiss", allow_dangerous_deserialization=True),
    QdrantVectorStore(client, "kept", embed_model, validate_collection_config=False),
]
seen = []
for store in stores:
    hit = store.similarity_search(Image.from_path(folder / "red.png"), k=1)[0]
    blocks = content_blocks([hit], root=folder)
    seen.append([digest(media_of(hit, root=folder)), [block["type"] for block in blocks], blocks[1]["base64"]])
client.close()
print(json.dumps(seen))
"""


def test_a_new_process_finds_the_picture_and_gets_back_to_it(inside, embed_model_of, tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))
    item = Fused("a red square", Image.from_path(path))
    embed_model = embed_model_of(ArkEmbeddings, inside, dimensions=1024)
    for setup in STORE_SETUPS:
        if setup.name in ("FAISS", "Qdrant"):
            with setup.open(embed_model, tmp_path, "kept") as store:
                store.add_documents([Document("quarterly figures"), MediaDocument(item)])
                setup.flush(store, tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", NEW_PROCESS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert 0 == done.returncode, done.stderr
    expected = [digest(item), ["text", "image"], b64encode(painted("red")).decode()]
    assert [expected, expected] == json.loads(done.stdout)


def test_the_text_for_add_texts_brings_its_own_metadata():
    text = media(Fused("a shoe", SHOE), "shoe")

    assert MediaDocument(Fused("a shoe", SHOE)).metadata == text.metadata
    assert Fused("a shoe", SHOE) == media_of(Document(text, metadata=text.metadata))

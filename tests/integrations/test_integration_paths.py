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
from volc_dashscope.ray._rows import InputColumns


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
        (item,) = InputColumns(text=None, image="i", video=None, root=root, fps=None).items({"i": cells})
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


def _encoded(path: Path) -> str:
    """Return the URI with every character but the slash percent-encoded."""
    return "file://" + "".join(each if each == "/" else f"%{ord(each):02x}" for each in str(path))


# `red` lies in a folder `in`; beside the folder lies `out.png`, to which `link.png` in it leads.
READ = {
    "as Python writes it": Path.as_uri,
    "localhost": lambda red: red.as_uri().replace("file://", "file://localhost"),
    "LOCALHOST": lambda red: red.as_uri().replace("file://", "file://LOCALHOST"),
    "capitals": lambda red: red.as_uri().replace("file:", "FILE:"),
    "one slash": lambda red: red.as_uri().replace("file://", "file:"),
    "every character encoded": _encoded,
    "capital hexadecimal digits": lambda red: _encoded(red).upper().replace("FILE:", "file:"),
    "a space as it is": lambda red: f"file://{red}",
    "a dot": lambda red: f"file://{red.parent}/./a%20red.png",
    "out and in again": lambda red: f"file://{red.parent}/../in/a%20red.png",
    "out and in again, encoded": lambda red: f"file://{red.parent}/%2e%2e/in/a%20red.png",
    "a slash twice": lambda red: f"file://{red.parent}//a%20red.png",
    "a link inside": lambda red: (red.parent / "same.png").as_uri(),
}
OUTSIDE = {
    "beside": lambda red: (red.parents[1] / "out.png").as_uri(),
    "beside, by localhost": lambda red: f"file://localhost{red.parents[1]}/out.png",
    "beside, one slash": lambda red: f"file:{red.parents[1]}/out.png",
    "two dots": lambda red: f"file://{red.parent}/../out.png",
    "two dots, encoded": lambda red: f"file://{red.parent}/%2e%2e/out.png",
    "two dots and slash, encoded": lambda red: f"file://{red.parent}/..%2fout.png",
    "two dots in the middle": lambda red: f"file://{red.parent}/deep/../../out.png",
    "a link that leads out": lambda red: (red.parent / "link.png").as_uri(),
    "a folder that leads out": lambda red: (red.parent / "up" / "out.png").as_uri(),
    "a folder of the same beginning": lambda red: f"file://{red.parent}-too/a%20red.png",
}
NO_FILE = {
    "another host": ("file://example.com/a.png", "another host"),
    "an address": ("file://127.0.0.1/a.png", "another host"),
    "a share": ("file://server/share/a.png", "another host"),
    "a host with a port": ("file://localhost:80/a.png", "another host"),
    "a user": ("file://me@localhost/a.png", "another host"),
    "relative": ("file:a%20red.png", "no absolute path"),
    "relative, dotted": ("file:./a%20red.png", "no absolute path"),
    "relative, two slashes": ("file://a%20red.png", "another host"),
    "nothing": ("file:", "no absolute path"),
    "nothing but slashes": ("file://", "no absolute path"),
    "a drive": ("file:///C:/a.png", "outside root|not exist"),
    "a drive, encoded": ("file:///C%3A/a.png", "outside root|not exist"),
    "a drive as a host": ("file://C:/a.png", "another host|malformed"),
    "backslashes": ("file:\\\\server\\a.png", "no absolute path"),
    "a query": ("file:///a.png?x=1", r"\? or #"),
    "a fragment": ("file:///a.png#x", r"\? or #"),
    "a NUL, encoded": ("file:///a%00b.png", "not allowed in file names"),
    "half an address": ("file://[::1/a.png", "malformed"),
    "white space before": (" file:///a.png", "white space"),
    "the root of all": ("file:///", "outside root|a directory|not exist"),
}


@pytest.fixture
def links(red) -> Path:
    """Return `red` with links beside it that lead to it, and out of its folder."""
    (red.parent / "same.png").symlink_to(red)
    (red.parent / "link.png").symlink_to(red.parents[1] / "out.png")
    (red.parent / "up").symlink_to(red.parents[1])
    (red.parent / "deep").mkdir()
    other = red.parent.with_name("in-too")
    other.mkdir()
    (other / red.name).write_bytes(painted("red"))
    return red


@pytest.mark.parametrize("spell", READ.values(), ids=READ)
def test_every_spelling_of_a_file_inside_is_read(inside, embed_model_of, links, spell):
    for way, embed in _ways(inside, embed_model_of, links.parent).items():
        assert (way, True) == (way, bool(embed(spell(links))))


@pytest.mark.parametrize("spell", OUTSIDE.values(), ids=OUTSIDE)
def test_no_spelling_of_a_file_outside_is_read(inside, embed_model_of, audit, links, spell):
    for way, embed in _ways(inside, embed_model_of, links.parent).items():
        audit.files_opened.clear()
        with pytest.raises(InputError, match="outside root"):
            embed(spell(links))
        pictures = [name for name in audit.files_opened if name.endswith(".png")]
        assert (way, [], 0) == (way, pictures, len(inside.emulator.ledger))


@pytest.mark.parametrize(("uri", "reason"), NO_FILE.values(), ids=NO_FILE)
def test_what_names_no_file_here_is_refused(inside, embed_model_of, audit, monkeypatch, red, uri, reason):
    monkeypatch.chdir(red.parent)
    for way, embed in _ways(inside, embed_model_of, red.parent).items():
        audit.files_opened.clear()
        # Core's `MediaResource` parses a URL as web pages do: it refuses some of these itself, and mends others.
        kind, words = (ValueError, None) if way == "Node" else (InputError, reason)
        with pytest.raises(kind, match=words):
            embed(uri)
        pictures = [name for name in audit.files_opened if name.endswith(".png")]
        assert (way, [], 0) == (way, pictures, len(inside.emulator.ledger))


@pytest.mark.parametrize("spell", READ.values(), ids=READ)
def test_without_a_root_a_path_argument_reads_and_a_block_refuses(
    inside, embed_model_of, audit, links, spell
):
    chain, index = (embed_model_of(kind, inside) for kind in (ArkEmbeddings, ArkMultiModalEmbedding))
    uri, read = spell(links), Image.from_path(links)

    rows = [*chain.embed_image([uri]), index.get_image_embedding(uri)]
    audit.files_opened.clear()
    for block in (
        {"image": uri},
        {"type": "image", "url": uri},
        {"type": "image_url", "image_url": {"url": uri}},
    ):
        with pytest.raises(InputError, match="set media_root"):
            chain.embed_documents([block])

    assert [chain.embed_contents([read])[0]] * 2 == rows
    assert [] == [name for name in audit.files_opened if name.endswith(".png") and name != str(links)]


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

"""Only what is named as a path is opened, inside its fence; no URL is fetched and no host dialled but the service's."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_index.core.schema import ImageNode
from paintings import data_uri, painted
from promise import ARK, TEXT, Breakage

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding, MultiModalNodeEmbedder
from volc_dashscope import (
    AsyncClient,
    Client,
    ConfigError,
    ContentError,
    EmbeddingError,
    Image,
    InputError,
    Video,
)
from volc_dashscope.emulator import Response

BREAKAGES = [
    Breakage(
        "volc_dashscope/_media/_files.py",
        "real == fence or real.startswith(fence if fence.endswith(os.sep) else fence + os.sep)",
        "real.startswith(fence)",
        "test_nothing_outside_the_fence_is_opened",
    ),
    Breakage(
        "volc_dashscope/_media/_files.py",
        "            _require_regular(opened, path)\n",
        "",
        "test_a_file_swapped_for_a_fifo_does_not_hang",
    ),
    Breakage(
        "volc_dashscope/_media/_files.py",
        "        _require_regular(os.stat(real) if status is None else status, path)\n",
        "",
        "test_only_regular_files_are_opened",
    ),
    Breakage(
        "volc_dashscope/_media/_urls.py",
        'if scheme not in ("http", "https", "oss"):',
        'if scheme not in ("http", "https", "oss", "file", "ftp"):',
        "test_other_schemes_are_refused",
    ),
    Breakage(
        "volc_dashscope/_config/addresses.py",
        'near = is_local_network(host) if route == "openai" else is_loopback(host)',
        "near = True",
        "test_plain_http_is_for_this_machine_only",
    ),
    Breakage(
        "volc_dashscope/emulator/server.py",
        'HOST = "127.0.0.1"',
        'HOST = "0.0.0.0"',
        "test_the_emulator_listens_on_this_machine_only",
    ),
    Breakage(
        "volc_dashscope/_media/_sources.py",
        'raise InputError(f"{self.label()} is a URL; this library never fetches one")',
        "import urllib.request; return urllib.request.urlopen(self.url).read()",
        "test_no_url_is_fetched_and_no_other_host_is_dialled",
    ),
    Breakage(
        "volc_dashscope/_media/_files.py",
        "real == fence or real.startswith(fence if fence.endswith(os.sep) else fence + os.sep)",
        "os.path.dirname(real) == fence",
        "test_what_is_inside_the_fence_is_opened",
    ),
    Breakage(
        "volc_dashscope/_media/_sources.py",
        "            data = file.read(self.size_bytes + 1)\n        if len(data) != self.size_bytes:",
        "            data = file.read(self.size_bytes)\n        if False:",
        "test_a_file_that_grew_is_not_sent",
    ),
    Breakage(
        "volc_dashscope/providers/error_table.py",
        "    return BAD_REQUEST\n\n\ndef _sentence",
        "    return TRY_LATER\n\n\ndef _sentence",
        "test_a_redirect_is_not_followed",
    ),
    Breakage(
        "volc_dashscope/_http/transport.py",
        'options: dict[str, Any] = {"stream": True, "follow_redirects": False}',
        'options: dict[str, Any] = {"stream": True}',
        "test_a_redirect_is_not_followed_by_a_client_handed_in_either",
    ),
    Breakage(
        "volc_dashscope/_media/_formats.py",
        "    if media is None or media.kind != kind:",
        "    if False:",
        "test_what_is_no_picture_is_not_sent",
    ),
    Breakage(
        "volc_dashscope/inputs.py",
        "value[:6].lower().startswith(_URL_SCHEMES)",
        "'://' in value",
        "test_three_schemes_are_urls_and_all_else_is_a_path",
    ),
    Breakage(
        "llama_index_ext/media.py",
        "        return kind.from_path(value, root=root)",
        "        return kind.from_path(value)",
        "test_nothing_outside_the_fence_is_opened",
    ),
    Breakage(
        "langchain_volc_dashscope/media_calls.py",
        "        return Video.from_path(uri, root=self.media_root)",
        "        return Video.from_path(uri)",
        "test_videos_and_documents_have_the_same_fence",
    ),
]


VL = "qwen3-vl-embedding"


@pytest.fixture
def fence(tmp_path: Path) -> Path:
    """A folder with a picture inside, and one with the same beginning beside it."""
    inside, beside = tmp_path / "media", tmp_path / "media-private"
    for folder in (inside, beside, inside / "deep"):
        folder.mkdir()
        (folder / "a.png").write_bytes(painted())
    (inside / "out.png").symlink_to(beside / "a.png")
    (inside / "folder").symlink_to(beside)
    (inside / "in.png").symlink_to(inside / "deep" / "a.png")
    (inside / "absolute.png").symlink_to("/etc/hostname")
    (inside / "loop.png").symlink_to(inside / "loop.png")
    return inside


OUTSIDE = [
    "../media-private/a.png",
    "deep/../../media-private/a.png",
    "out.png",
    "folder/a.png",
    "absolute.png",
    "loop.png",
    "/etc/hostname",
]
INSIDE = ["a.png", "deep/a.png", "deep/../a.png", "in.png", "../media/a.png"]


def _openers(root: Path, mount: Any) -> dict[str, Any]:
    settings = mount.settings("ark")
    chain = ArkEmbeddings(model=ARK, media_root=str(root), **settings)
    index = ArkMultiModalEmbedding(model_name=ARK, media_root=str(root), **settings)
    return {
        "core": lambda path: Image.from_path(path, root=root),
        "LangChain": lambda path: chain.embed_image([str(path)]),
        "LlamaIndex": lambda path: index.get_image_embedding(str(path)),
    }


@pytest.mark.parametrize("way", ["core", "LangChain", "LlamaIndex"])
@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_the_fence_is_opened(inside, fence, audit, way, path) -> None:
    open_it = _openers(fence, inside)[way]
    audit.files_opened.clear()

    with pytest.raises(InputError):
        open_it(fence / path)

    assert [] == [name for name in audit.files_opened if name.endswith((".png", "hostname"))]
    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("way", ["core", "LangChain", "LlamaIndex"])
@pytest.mark.parametrize("path", INSIDE)
def test_what_is_inside_the_fence_is_opened(inside, fence, way, path) -> None:
    assert _openers(fence, inside)[way](fence / path)


@pytest.mark.parametrize("path", OUTSIDE)
def test_videos_and_documents_have_the_same_fence(inside, fence, audit, path) -> None:
    settings = inside.settings("ark")
    chain = ArkEmbeddings(model=ARK, media_root=str(fence), **settings)
    index = ArkMultiModalEmbedding(model_name=ARK, media_root=str(fence), **settings)
    embedder = MultiModalNodeEmbedder(embed_model=index)
    audit.files_opened.clear()

    for open_it in (
        lambda: chain.embed_video([str(fence / path)]),
        lambda: asyncio.run(chain.aembed_image([str(fence / path)])),
        lambda: asyncio.run(index.aget_image_embedding(str(fence / path))),
        lambda: embedder([ImageNode(image_path=str(fence / path))]),
        lambda: embedder([ImageNode(image_url=f"file://{fence / path}")]),
    ):
        with pytest.raises(InputError):
            open_it()

    assert [] == [name for name in audit.files_opened if name.endswith((".png", "hostname"))]
    assert 0 == len(inside.emulator.ledger)


AS_URLS = [
    "http://elsewhere.example/red.png",
    "https://elsewhere.example/red.png",
    data_uri(painted()),
]
AS_PATHS = [
    "file:///etc/hostname",
    "ftp://elsewhere.example/red.png",
    "javascript:alert(1)",
    "//elsewhere.example/red.png",
    "elsewhere.example/red.png",
    "C:\\red.png",
    "~/red.png",
    "$HOME/red.png",
    "blob:https://elsewhere.example/1",
    " https://elsewhere.example/red.png",
]


def _image_arguments(mount: Any, provider: str = "ark") -> dict[str, Any]:
    model, settings = (ARK, VL)[provider == "dashscope"], mount.settings(provider)
    chain, index = (
        (ArkEmbeddings, ArkMultiModalEmbedding)
        if provider == "ark"
        else (DashScopeEmbeddings, DashScopeMultiModalEmbedding)
    )
    embed_model, other = chain(model=model, **settings), index(model_name=model, **settings)
    return {
        "LangChain": lambda uri: embed_model.embed_image([uri]),
        "LangChain, twin": lambda uri: embed_model.embed_images([uri]),
        "LangChain, async": lambda uri: asyncio.run(embed_model.aembed_image([uri])),
        "LlamaIndex": other.get_image_embedding,
        "LlamaIndex, async": lambda uri: asyncio.run(other.aget_image_embedding(uri)),
        "LlamaIndex, many": lambda uri: other.get_image_embedding_batch([uri]),
    }


def test_three_schemes_are_urls_and_all_else_is_a_path(inside, audit) -> None:
    for way, embed in _image_arguments(inside).items():
        for uri in AS_URLS:
            audit.files_opened.clear()
            assert (way, uri, True) == (way, uri, bool(embed(uri)))
            assert (way, uri, []) == (
                way,
                uri,
                [name for name in audit.files_opened if name.endswith(".png")],
            )
    for way, embed in _image_arguments(inside, "dashscope").items():
        with pytest.raises(ContentError):  # nobody has put it there
            embed("oss://bucket/red.png")
        assert (way, True) == (way, "oss://bucket/red.png" in str(inside.emulator.ledger[-1].body))
    inside.emulator.ledger.clear()
    audit.dialled.clear()
    for way, embed in _image_arguments(inside).items():
        for uri in AS_PATHS:
            with pytest.raises(
                InputError,
                match=r"not exist|not an image|cannot be used|white space|names another host",
            ):
                embed(uri)
                raise AssertionError((way, uri))
    assert [] == inside.emulator.ledger.requests
    assert [] == audit.dialled


def _special(kind: str, folder: Path) -> Path:
    path = folder / "special.png"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "terminal":
        path.symlink_to("/dev/tty")
    elif kind == "endless":
        path.symlink_to("/proc/self/pagemap")
    return path


@pytest.mark.parametrize("kind", ["fifo", "socket", "folder", "device", "terminal", "endless", "missing"])
def test_only_regular_files_are_opened(tmp_path, audit, kind) -> None:
    path = _special(kind, tmp_path)
    audit.files_opened.clear()

    with pytest.raises(InputError):
        Image.from_path(path)

    assert kind == "endless" or [] == [
        name for name in audit.files_opened if name.endswith(("special.png", "zero", "tty"))
    ]


def test_a_file_swapped_for_a_fifo_does_not_hang(tmp_path, inside, monkeypatch) -> None:
    """Between the look and the opening a path may become something else; the descriptor is what counts."""
    path = tmp_path / "a.png"
    path.write_bytes(painted())
    real_open = os.open

    def swap(name: Any, flags: int, *more: Any, **keywords: Any) -> int:
        if str(name) == str(path) and not stat.S_ISFIFO(os.stat(path).st_mode):
            path.unlink()
            os.mkfifo(path)
        return real_open(name, flags, *more, **keywords)

    monkeypatch.setattr(os, "open", swap)

    with pytest.raises(InputError, match="FIFO"):
        Image.from_path(path)


def test_a_file_that_grew_is_not_sent(tmp_path, inside) -> None:
    """The size is that of the file that was opened, and no more is read."""
    path = tmp_path / "a.png"
    path.write_bytes(painted())
    item = Image.from_path(path)
    with path.open("ab") as file:
        file.truncate(3 * 1024**3)  # sparse

    with pytest.raises(InputError, match="changed its size"):
        inside.client(ARK).embed([item])

    assert 0 == len(inside.emulator.ledger)


URLS = [
    "file:///etc/passwd",
    "ftp://example.com/a.png",
    "gopher://x/",
    "javascript:alert(1)",
    "http:///a.png",
    "https://",
    "HTTPS://exa mple/",
    "//example.com/a.png",
    "a.png",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("kind", [Image, Video])
def test_other_schemes_are_refused(kind, url) -> None:
    with pytest.raises(InputError):
        kind.from_url(url)


async def _awaited(client: AsyncClient, urls: list[str]) -> None:
    async with client:
        await client.embed([Image.from_url(url) for url in urls])


@pytest.mark.parametrize("way", ["sync", "async", "LangChain", "LlamaIndex"])
def test_no_url_is_fetched_and_no_other_host_is_dialled(emulate, audit, way) -> None:
    mount = emulate(socket=True)
    port = int(mount.emulator.url.rpartition(":")[2])
    urls = ["https://elsewhere.example/a.png", "http://169.254.169.254/a.png"]
    settings = mount.settings("ark")
    ways = {
        "sync": lambda: Client(ARK, **settings).embed([Image.from_url(url) for url in urls]),
        "async": lambda: asyncio.run(_awaited(AsyncClient(ARK, **settings), urls)),
        "LangChain": lambda: ArkEmbeddings(model=ARK, **settings).embed_image(urls),
        "LlamaIndex": lambda: ArkMultiModalEmbedding(model_name=ARK, **settings).get_image_embedding_batch(
            urls
        ),
    }
    audit.dialled.clear()

    ways[way]()

    hosts = {str(part[0] if isinstance(part[0], str) else part[0][0]) for part in audit.dialled}
    assert {"127.0.0.1"} == hosts
    assert [] == [part for part in audit.dialled if str(port) not in repr(part)]
    with pytest.raises(InputError, match="never fetches"):
        Image.from_url(urls[0]).read()


def test_a_redirect_is_not_followed_by_a_client_handed_in_either(emulate, audit) -> None:
    """A redirected POST would carry the user's content to another host."""
    mount = emulate(socket=True)
    mount.emulator.reply_with(
        lambda request, response: Response(status=307, headers={"location": "http://elsewhere.example/"})
    )
    given = {
        "http_client": httpx.Client(follow_redirects=True),
        "http_async_client": httpx.AsyncClient(follow_redirects=True),
    }

    client = mount.client(TEXT, **given)
    with given["http_client"], pytest.raises(EmbeddingError, match="307"):
        client.embed(["text"])
    with pytest.raises(EmbeddingError, match="307"):
        asyncio.run(_once(client.aio, given["http_async_client"]))

    assert 2 == len(mount.emulator.ledger)
    assert "elsewhere" not in repr(audit.dialled)


async def _once(client, http_client) -> None:
    async with http_client:
        await client.embed(["text"])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(emulate, audit, status) -> None:
    mount = emulate(socket=True)
    mount.emulator.reply_with(
        lambda request, response: Response(status=status, headers={"location": "http://elsewhere.example/"})
    )

    with mount.client(TEXT) as client:
        with pytest.raises(EmbeddingError, match=str(status)):
            client.embed(["text"])
        with pytest.raises(EmbeddingError, match=str(status)):
            asyncio.run(client.aio.embed(["text"]))

    assert 2 == len(mount.emulator.ledger)
    assert "elsewhere" not in repr(audit.dialled)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://10.0.0.1:8000",
        "http://127.0.0.1.example.com",
        "http://localhost.example",
        "ftp://127.0.0.1",
        "http://user@127.0.0.1",
    ],
)
def test_plain_http_is_for_this_machine_only(url) -> None:
    with pytest.raises(ConfigError):
        Client(TEXT, api_key="k", base_url=url)


def test_the_emulator_listens_on_this_machine_only(emulate) -> None:
    mount = emulate(socket=True)

    assert ("127.0.0.1", "http://127.0.0.1") == (
        mount.emulator._server.socket.getsockname()[0],
        mount.emulator.url.rpartition(":")[0],
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MZ" + bytes(100),
        b"%PDF-1.7",
        b"<svg xmlns='x'/>",
        b"plain text",
        struct.pack("<Q", 0),
        b"\x7fELF",
    ],
)
def test_what_is_no_picture_is_not_sent(tmp_path, data) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)

    with pytest.raises(InputError, match=r"not an image|is empty"):
        Image.from_path(path)
    path.write_bytes(painted())
    with pytest.raises(InputError, match="not a video"):
        Video.from_path(path)

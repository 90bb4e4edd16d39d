"""Requests and replies have a largest size, whatever a server sends: endless bodies and gzip bombs are cut off."""

from __future__ import annotations

import asyncio
import gzip
import logging
import tracemalloc
import zlib
from collections.abc import Iterator
from functools import cache

import httpx
import pytest
from paintings import painted
from promise import ARK, MEDIA, TEXT, Breakage

from volc_dashscope import (
    AsyncClient,
    AuthError,
    Client,
    EmbeddingError,
    Fused,
    Image,
    InputError,
    TransportError,
)

TEXTS, OLD = "doubao-embedding-large-text-250515", "multimodal-embedding-v1"

BREAKAGES = [
    Breakage(
        "volc_dashscope/_http/body.py",
        "        if self._bytes_left < 0:\n            raise TooLarge",
        "        if self._bytes_left < -10**12:\n            raise TooLarge",
        "test_a_reply_without_an_end_is_cut_off",
    ),
    Breakage(
        "volc_dashscope/_http/body.py",
        "self._unpack.decompress(chunk, _CHUNK_BYTES)",
        "self._unpack.decompress(chunk)",
        "test_a_bomb_is_not_unpacked",
    ),
    Breakage(
        "volc_dashscope/_http/body.py",
        'if coding not in ("", "identity", *_WINDOW_BITS) and not unpacked:',
        "if False:",
        "test_a_coding_nobody_asked_for_is_refused",
    ),
    Breakage(
        "volc_dashscope/_http/body.py",
        "if self._has_data and self._unpack is not None and not self._unpack.eof:",
        "if False:",
        "test_compression_that_ends_before_its_checksum_is_a_broken_reply",
    ),
    Breakage(
        "volc_dashscope/_http/body.py",
        "if self._has_data and self._unpack is not None",
        "if self._unpack is not None",
        "test_a_refusal_without_a_body_is_read_whatever_coding_it_names",
    ),
    Breakage(
        "volc_dashscope/_http/body.py",
        "if self._has_data and self._unpack is not None and not self._unpack.eof:",
        "if self._unpack is not None and not self._unpack.eof:",
        "test_a_refusal_without_a_body_is_read_whatever_coding_it_names",
    ),
    Breakage(
        "volc_dashscope/_http/body.py",
        '"deflate": ',
        '"x-deflate": ',
        "test_honest_compression_is_read",
    ),
    Breakage(
        "volc_dashscope/_http/faults.py",
        'return Fault("unanswered", _not_http(error) or reason, cause=error)',
        'return Fault("connect", reason, cause=error)',
        "test_headers_without_an_end_are_cut_off",
    ),
    Breakage(
        "volc_dashscope/_http/body.py",
        "        if self._bytes_left < 0:",
        "        if self._bytes_left < -100_000_000:",
        "test_the_connection_of_a_reply_that_is_too_large_is_closed",
    ),
    Breakage(
        "volc_dashscope/_http/drivers.py",
        "[:_MAX_ID_LENGTH],",
        ",",
        "test_an_id_without_an_end_does_not_fill_the_log",
    ),
    Breakage(
        "volc_dashscope/_request/validation.py",
        "    if size > (model_info.max_text_bytes or _LARGEST_TEXT):",
        "    if False:",
        "test_a_request_has_a_largest_size",
    ),
    Breakage(
        "volc_dashscope/_request/validation.py",
        "    if size > largest:",
        "    if False:",
        "test_a_request_has_a_largest_size",
    ),
    Breakage(
        "volc_dashscope/_request/batching.py",
        "        and load.inline + more.inline <= _INLINE_BYTES\n",
        "",
        "test_many_large_items_do_not_share_a_request",
    ),
]


def _embed(kind: str, url: str) -> None:
    settings = {"api_key": "k", "base_url": url, "max_retries": 0, "timeout": 30.0}
    if kind == "sync":
        with Client(TEXT, **settings) as client:
            client.embed(["text"])
        return

    async def awaited() -> None:
        async with AsyncClient(TEXT, **settings) as client:
            await client.embed(["text"])

    asyncio.run(awaited())


def _peak(kind: str, url: str, match: str) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(TransportError, match=match):
            _embed(kind, url)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _spaces() -> Iterator[bytes]:
    for _ in range(20_000):
        yield b" " * 65536


@cache
def _bomb() -> bytes:
    """Half a gigabyte of spaces in half a megabyte."""
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(pack.compress(b" " * 10**6) for _ in range(512)) + pack.flush()


both_clients = pytest.mark.parametrize("kind", ["sync", "async"])


@both_clients
def test_a_reply_without_an_end_is_cut_off(serve, measured, kind) -> None:
    server = serve(b"connection: close\r\n", pieces=_spaces)

    peak = _peak(kind, server.url, "larger than any reply")

    measured(f"hung up after {server.sent / 1e6:.0f} MB, peak of memory {peak / 1e6:.0f} MB")
    assert server.sent < 64e6
    assert peak < 100e6


@both_clients
@pytest.mark.parametrize("handed_in", [False, True], ids=["own", "handed in"])
def test_the_connection_of_a_reply_that_is_too_large_is_closed(serve, measured, kind, handed_in) -> None:
    """At once, not with the client, and without reading the reply to its end."""
    server = serve(b"content-length: %d\r\n" % (20_000 * 65536), pieces=_spaces)
    settings = {"api_key": "k", "base_url": server.url, "max_retries": 0}

    async def awaited() -> bool:
        async with httpx.AsyncClient() as users:
            client = AsyncClient(TEXT, **settings, **({"http_async_client": users} if handed_in else {}))
            with pytest.raises(TransportError, match="larger than any reply"):
                await client.embed(["text"])
            return await asyncio.to_thread(server.hung_up.wait, 5)

    if kind == "sync":
        with httpx.Client() as users:
            client = Client(TEXT, **settings, **({"http_client": users} if handed_in else {}))
            with pytest.raises(TransportError, match="larger than any reply"):
                client.embed(["text"])
            closed = server.hung_up.wait(5)
    else:
        closed = asyncio.run(awaited())

    measured(f"hung up after {server.sent / 1e6:.0f} MB")
    assert closed
    assert server.sent < 64e6


@both_clients
def test_an_id_without_an_end_does_not_fill_the_log(serve, caplog, kind) -> None:
    server = serve(b"x-request-id: %b\r\ncontent-length: 2\r\n" % (b"Z" * 10_000), b"{}")

    with caplog.at_level(logging.DEBUG, logger="volc_dashscope"), pytest.raises(EmbeddingError):
        _embed(kind, server.url)

    said = [record.getMessage() for record in caplog.records if record.name == "volc_dashscope"]
    assert [120] == [line.count("Z") for line in said]


@both_clients
def test_a_bomb_is_not_unpacked(serve, measured, kind) -> None:
    head = b"content-encoding: gzip\r\ncontent-length: %d\r\n" % len(_bomb())
    server = serve(head, _bomb())

    peak = _peak(kind, server.url, "larger than any reply")

    measured(f"{len(_bomb()) / 1e6:.1f} MB that hold 512 MB: peak of memory {peak / 1e6:.0f} MB")
    assert peak < 60e6


@both_clients
@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "compress", "x" * 200])
def test_a_coding_nobody_asked_for_is_refused(serve, kind, coding) -> None:
    twice = gzip.compress(gzip.compress(b"{}"))
    head = b"content-encoding: %s\r\ncontent-length: %d\r\n" % (coding.encode(), len(twice))
    server = serve(head, twice)

    with pytest.raises(TransportError, match=r"broke.*cannot be decompressed"):
        _embed(kind, server.url)


@both_clients
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_honest_compression_is_read(serve, kind, pack) -> None:
    body = pack(b'{"output": {"embeddings": []}, "request_id": "r"}')
    coding = b"gzip" if pack is gzip.compress else b"deflate"
    server = serve(b"content-encoding: %s\r\ncontent-length: %d\r\n" % (coding, len(body)), body)

    with pytest.raises(EmbeddingError, match="0 vectors for 1 item "):
        _embed(kind, server.url)


@both_clients
@pytest.mark.parametrize("cut", [1, 4, 8, 20], ids="{} bytes short".format)
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_compression_that_ends_before_its_checksum_is_a_broken_reply(serve, kind, pack, cut) -> None:
    """The JSON may be whole already: nothing says so without the checksum."""
    body = pack(b'{"output": {"embeddings": []}, "request_id": "r"}')[:-cut]
    coding = b"gzip" if pack is gzip.compress else b"deflate"
    server = serve(b"content-encoding: %s\r\ncontent-length: %d\r\n" % (coding, len(body)), body)

    with pytest.raises(TransportError, match=r"broke.*cannot be decompressed") as caught:
        _embed(kind, server.url)

    assert caught.value.retryable


@both_clients
def test_a_refusal_without_a_body_is_read_whatever_coding_it_names(serve, kind) -> None:
    server = serve(b"content-encoding: gzip\r\ncontent-length: 0\r\n", status=b"401 Unauthorized")

    with pytest.raises(AuthError):
        _embed(kind, server.url)


@both_clients
@pytest.mark.parametrize(
    "head", [b"x-long: " + b"a" * 10**6 + b"\r\n", b"".join(b"x-%d: a\r\n" % n for n in range(50_000))]
)
def test_headers_without_an_end_are_cut_off(serve, kind, head) -> None:
    server = serve(head)

    assert _peak(kind, server.url, "broke") < 20e6


def _picture(size: int) -> Image:
    """A small picture that drags as many bytes behind it; they are in memory once, whatever they are put into."""
    return Image.from_bytes(painted() + bytes(size))


LARGE = {
    "a text, by its tokens": (ARK, {}, lambda: "长" * 10**6, "accepts at most"),
    "a text, by its bytes": (TEXTS, {}, lambda: " a" * 60_000, "accepts at most"),
    "a text that the service would cut": (OLD, {}, lambda: "a" * 17_000_000, "this library accepts at most"),
    "a text for an unknown model": (
        "new",
        {"provider": "ark"},
        lambda: "a" * 17_000_000,
        "this library accepts at most",
    ),
    "an item, by its body": (ARK, {}, lambda: Fused(*[_picture(10_000_000)] * 6), "accepts at most"),
    "a file for an unknown model": (
        "new",
        {"provider": "ark"},
        lambda: _picture(110_000_000),
        "this library accepts at most",
    ),
}


@pytest.mark.parametrize(("model", "settings", "make", "words"), LARGE.values(), ids=LARGE)
def test_a_request_has_a_largest_size(inside, model, settings, make, words) -> None:
    with pytest.raises(InputError, match=words):
        inside.client(model, **settings).embed([make()])

    assert 0 == len(inside.emulator.ledger)


def test_many_large_items_do_not_share_a_request(inside) -> None:
    inside.client(MEDIA).embed([_picture(3_000_000)] * 20)

    assert len(inside.emulator.ledger) >= 2
    assert max(len(str(entry.body)) for entry in inside.emulator.ledger) < 50e6

"""driver="aiohttp": the same requests and the same promises, over connections of another make."""

from __future__ import annotations

import asyncio
import gc
import gzip
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import httpx
import numpy as np
import pytest
from paintings import painted

from volc_dashscope import AuthError, BulkError, Client, ConfigError, EmbeddingError, Image, TransportError

ROOT = Path(__file__).resolve().parents[2]
ARK, TEXT, VISION = "doubao-embedding-vision-251215", "text-embedding-v4", "tongyi-embedding-vision-plus"
TEXTS = [f"text number {index}" for index in range(40)]

both_kinds = pytest.mark.parametrize("kind", ["sync", "async"])


@pytest.fixture
def served(emulate):
    return emulate(socket=True)


def _fast(mount, model: str = ARK, **settings) -> Client:
    return mount.client(model, **{"driver": "aiohttp", **settings})


def _embed(client: Client, kind: str, items: list, **arguments):
    if kind == "sync":
        return client.embed(items, **arguments)
    return asyncio.run(client.aio.embed(items, **arguments))


@both_kinds
@pytest.mark.parametrize("model", [ARK, TEXT, VISION])
def test_the_service_sees_the_same_request_and_the_caller_the_same_rows(emulate, kind, model):
    """The key, the headers and the body, whatever speaks HTTP."""
    seen = {}
    picture = Image.from_bytes(painted(size=(64, 64)))
    items = ["text", "文字"] if model == TEXT else ["text", picture]
    for driver in ("httpx", "aiohttp"):
        mount = emulate(socket=True)
        with mount.client(model, driver=driver, max_concurrency=1) as client:
            rows = _embed(client, kind, items).vectors
        seen[driver] = [
            (entry.method, entry.path, {**entry.headers, "host": "emulator"}, entry.body)
            for entry in mount.emulator.ledger
        ]
        seen[f"{driver} rows"] = rows.tobytes()

    assert seen["httpx"] == seen["aiohttp"]
    assert seen["httpx rows"] == seen["aiohttp rows"]


@both_kinds
def test_faults_of_the_service_and_of_the_line_cost_no_item(served, kind):
    served.emulator.fail("429", "500", "reset", "truncated", "502", "reset", "503", "429")

    with _fast(served, deadline=60.0) as client:
        rows = _embed(client, kind, TEXTS).vectors

    with served.client(ARK) as client:
        assert np.array_equal(client.embed(TEXTS).vectors, rows)


@both_kinds
def test_a_reply_slower_than_the_timeout_is_a_transport_error(emulate, kind):
    mount = emulate(socket=True, latency=3)

    with (
        _fast(mount, timeout=0.2, max_retries=0) as client,
        pytest.raises(TransportError, match="timed out"),
    ):
        _embed(client, kind, ["text"])


@both_kinds
def test_nobody_there_is_a_transport_error(kind):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    client = Client(ARK, api_key="k", base_url=url, driver="aiohttp", max_retries=0)

    with client, pytest.raises(TransportError, match="could not connect"):
        _embed(client, kind, ["text"])


@both_kinds
def test_a_refused_key_is_said_once(served, kind):
    served.emulator.fail("401")

    with _fast(served, max_concurrency=1) as client, pytest.raises(BulkError) as caught:
        _embed(client, kind, TEXTS)

    assert {AuthError} == {type(error) for error in caught.value.failures.values()}
    assert [401] == served.emulator.ledger.statuses


@both_kinds
def test_a_redirect_is_not_followed(serve, served, kind):
    head = f"location: {served.emulator.ark_url}/x\r\ncontent-length: 0\r\n".encode()
    server = serve(head, status=b"302 Found")
    client = Client(ARK, api_key="k", base_url=server.url, driver="aiohttp", max_retries=0)

    with client, pytest.raises(EmbeddingError, match="302"):
        _embed(client, kind, ["text"])

    assert [] == list(served.emulator.ledger)


@both_kinds
def test_a_compressed_reply_that_would_fill_memory_is_cut_off(serve, kind):
    body = gzip.compress(bytes(80 * 1024 * 1024))
    server = serve(b"content-encoding: gzip\r\ncontent-length: %d\r\n" % len(body), body)
    client = Client(ARK, api_key="k", base_url=server.url, driver="aiohttp", max_retries=0)

    with client, pytest.raises(TransportError, match="larger than any reply"):
        _embed(client, kind, ["text"])


def test_a_stream_is_read_as_it_is_needed_and_can_be_left(served):
    read = []

    def items() -> Iterator[str]:
        for number in range(10_000):
            read.append(number)
            yield f"text {number}"

    with _fast(served, max_concurrency=4) as client:
        stream = client.stream(items())
        first = [next(stream)[0] for _ in range(50)]
        stream.close()

    assert list(range(50)) == first
    assert len(read) < 500


def test_a_client_closed_or_dropped_leaves_no_thread_and_no_socket(served):
    before = {thread.ident for thread in threading.enumerate()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        closed = _fast(served)
        closed.embed(TEXTS[:3])
        closed.close()
        closed.close()
        _fast(served).embed(TEXTS[:3])
        asyncio.run(_fast(served).aio.embed(TEXTS[:3]))
        gc.collect()

    until = time.monotonic() + 5
    while {thread.ident for thread in threading.enumerate()} - before and time.monotonic() < until:
        time.sleep(0.01)
    assert set() == {thread.ident for thread in threading.enumerate()} - before
    assert 43 == len(closed.embed(TEXTS[:3]).vectors) + len(TEXTS)
    closed.close()


def test_it_travels_by_pickle(served):
    with _fast(served) as client:
        client.embed(TEXTS[:1])
        with pickle.loads(pickle.dumps(client)) as arrived:
            assert np.array_equal(client.embed(TEXTS[:2]).vectors, arrived.embed(TEXTS[:2]).vectors)


def test_a_forked_child_opens_connections_of_its_own(served):
    with _fast(served) as client:
        expected = client.embed(TEXTS[:2]).vectors
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.write(writing, client.embed(TEXTS[:2]).vectors.tobytes())
            os._exit(0)
        os.waitpid(child, 0)
        arrived = os.read(reading, 10**6)
        os.close(reading)
        os.close(writing)

    assert expected.tobytes() == arrived


def test_a_call_cancelled_leaves_no_task(served):
    async def tasks_left() -> int:
        client = _fast(served)
        call = asyncio.create_task(client.aio.embed(TEXTS))
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await client.aio.close()
        return len(asyncio.all_tasks()) - 1

    assert 0 == asyncio.run(tasks_left())


def test_an_unknown_driver_and_one_beside_a_client_are_refused():
    with pytest.raises(ConfigError, match="'httpx' or 'aiohttp', got 'curl'"):
        Client(ARK, api_key="k", driver="curl")
    with httpx.Client() as own, pytest.raises(ConfigError, match="leave out the httpx client"):
        Client(ARK, api_key="k", driver="aiohttp", http_client=own)


@pytest.mark.parametrize("missing", ["aiohttp", "pybase64"])
def test_without_its_packages_the_driver_says_what_to_install(missing):
    script = f"""
        import sys
        sys.modules[{missing!r}] = None
        from volc_dashscope import Client, ConfigError
        try:
            Client({ARK!r}, api_key="k", driver="aiohttp")
        except ConfigError as error:
            print(error)
        """
    assert 'driver="aiohttp" needs: pip install "volc-dashscope[fast]"\n' == _printed(script)


def test_it_is_never_chosen_because_it_is_installed():
    script = f"""
        import sys
        from volc_dashscope import Client
        from volc_dashscope.emulator import Emulator
        with Emulator() as emulator, Client({ARK!r}, api_key="k", base_url=emulator.start().ark_url) as client:
            client.embed(["a", "b"])
        print(*({{"aiohttp", "pybase64"}} & set(sys.modules)))
        """
    assert "\n" == _printed(script)


def _printed(script: str) -> str:
    """Return what a program in a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", dedent(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout

"""Clients across interruptions, event loops, processes and threads: nothing is left behind, nothing is shared."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from volc_dashscope import AsyncClient, Client, ConfigError
from volc_dashscope.emulator import Emulator

ROOT = Path(__file__).resolve().parents[2]
ARK, TEXT = "doubao-embedding-vision-251215", "text-embedding-v4"
TEXTS = [f"text number {index}" for index in range(30)]

both_kinds = pytest.mark.parametrize("kind", [Client, AsyncClient], ids=["sync", "async"])

# Ctrl-C.

SCRIPT = """
    import asyncio, signal, threading, time
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs behind it without one
    from volc_dashscope import AsyncClient, Client
    from volc_dashscope.emulator import Emulator

    emulator = Emulator(latency=8).start()

    def announce():
        while not emulator.ledger.in_flight_max:
            time.sleep(0.01)
        print("in flight", flush=True)

    threading.Thread(target=announce, daemon=True).start()
    reach = {"api_key": "k", "base_url": emulator.ark_url}
    inside = {"api_key": "k", "http_client": emulator.http_client()}
    model, items = "doubao-embedding-vision-251215", [str(number) for number in range(50)]
    """
WAYS = {
    "sync": "Client(model, **reach).embed(items)",
    "sync, one item": "Client(model, **reach).embed(items[:1])",
    "sync stream, in-process": "list(Client(model, **inside).stream(iter(items)))",
    "async": "asyncio.run(AsyncClient(model, **reach).embed(items))",
}


def test_no_event_loop_is_kept_alive_by_a_client_that_outlives_it(emulate) -> None:
    """A gate that requests stood at knows its loop."""
    mount = emulate(socket=True, latency=0.01)
    ended = []

    async def crowd(client: AsyncClient) -> None:
        ended.append(weakref.ref(asyncio.get_running_loop()))
        await asyncio.gather(*(client.embed(TEXTS[:3]) for _ in range(3)))
        await client.close()

    client = mount.async_client(ARK, max_concurrency=1)
    for _ in range(3):
        asyncio.run(crowd(client))
    gc.collect()

    assert [None, None] == [loop() for loop in ended[:2]]


def test_threads_that_begin_and_end_event_loops_do_not_get_in_each_others_way(emulate) -> None:
    client = emulate().async_client(TEXT, dimensions=64)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            lengths = list(pool.map(lambda _: len(asyncio.run(client.embed(["text"]))), range(800)))
    finally:
        sys.setswitchinterval(before)

    assert [1] * 800 == lengths


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_ctrl_c_ends_the_program_while_replies_are_awaited(way: str) -> None:
    script = dedent(SCRIPT) + way
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first_line = process.stdout.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=6)
        finally:
            process.kill()
        took = time.monotonic() - began

    assert "in flight\n" == first_line
    assert took < 4.0  # half of what a reply takes
    assert "KeyboardInterrupt" in said
    assert "ResourceWarning" not in said


# Cancelling.


async def _cancelled(mount: Any, start: Callable[[AsyncClient], Any]) -> list[str]:
    """Cancel what `start` makes while requests are in flight; return the tasks that are left."""
    async with mount.async_client(ARK, max_concurrency=4) as client:
        task = asyncio.create_task(start(client))
        while not mount.emulator.ledger.in_flight_max:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return [other.get_name() for other in asyncio.all_tasks() if other is not asyncio.current_task()]


async def _all(client: AsyncClient) -> list[Any]:
    return [ended async for ended in client.stream(iter(TEXTS))]


STARTS: dict[str, Callable[[AsyncClient], Any]] = {
    "many": lambda client: client.embed(TEXTS),
    "one": lambda client: client.embed(TEXTS[:1]),
    "stream": _all,
}


@pytest.mark.parametrize("socket", [False, True], ids=["in-process", "socket"])
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_cancelled_call_leaves_no_tasks(emulate, start, socket) -> None:
    mount = emulate(socket=socket, latency=0.3)

    assert [] == asyncio.run(_cancelled(mount, start))


def test_a_cancelled_call_gives_its_places_back(emulate) -> None:
    mount = emulate(latency=0.1)

    async def twice() -> int:
        async with mount.async_client(ARK, max_concurrency=2) as client:
            task = asyncio.create_task(client.embed(TEXTS))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return len(await asyncio.wait_for(client.embed(TEXTS[:2]), 2))

    assert 2 == asyncio.run(twice())


def test_a_failed_async_call_leaves_no_tasks(inside) -> None:
    inside.emulator.fail("400")

    async def left() -> int:
        async with inside.async_client(ARK) as client:
            with pytest.raises(Exception, match="400"):
                await client.embed(TEXTS, on_error="abort")
            return len(asyncio.all_tasks()) - 1

    assert 0 == asyncio.run(left())


# Event loops.


def test_one_client_serves_two_event_loops_and_warns_of_nothing(mount) -> None:
    client = mount.async_client(TEXT)

    async def embed() -> bytes:
        return (await client.embed(TEXTS)).vectors.tobytes()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = [asyncio.run(embed()) for _ in range(2)]
        gc.collect()

    assert rows[0] == rows[1]
    assert [] == [str(warning.message) for warning in caught if warning.category is ResourceWarning]


def test_a_client_keeps_no_event_loop_alive(emulate) -> None:
    """One client for many `asyncio.run`, as a web worker or a notebook has it."""
    client = emulate(socket=True).async_client(TEXT)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def embed() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await client.embed(["a"])

    for _ in range(4):
        asyncio.run(embed())
    gc.collect()

    assert sum(loop() is not None for loop in loops) <= 1


def test_event_loops_in_several_threads_do_not_meet(emulate) -> None:
    client = emulate(socket=True).async_client(TEXT)

    async def embed() -> bytes:
        return (await client.embed(TEXTS)).vectors.tobytes()

    with ThreadPoolExecutor(4) as pool:
        rows = set(pool.map(lambda _: asyncio.run(embed()), range(8)))

    assert 1 == len(rows)


def test_threads_share_one_client(mount) -> None:
    with mount.client(TEXT) as client, ThreadPoolExecutor(8) as pool:
        rows = set(pool.map(lambda _: client.embed(TEXTS).vectors.tobytes(), range(16)))

    assert 1 == len(rows)


def test_the_asynchronous_twin_shares_usage(mount) -> None:
    with mount.client(TEXT) as client:
        client.embed(["a"])

        asyncio.run(client.aio.embed(["b"]))

    assert 2 == client.usage.requests


# Closing.


def test_closing_twice_is_allowed(mount) -> None:
    client = mount.client(TEXT)
    client.embed(["a"])

    assert [None, None] == [client.close() for _ in range(2)]


def test_closing_an_async_client_twice_is_allowed(mount) -> None:
    async def twice() -> list[None]:
        client = mount.async_client(TEXT)
        await client.embed(["a"])
        return [await client.close() for _ in range(2)]

    assert [None, None] == asyncio.run(twice())


def test_closing_an_unused_client_is_allowed(mount) -> None:
    assert None is mount.client(TEXT).close()
    assert None is asyncio.run(mount.async_client(TEXT).close())


@pytest.mark.parametrize("number", [1, 30], ids=["one item", "many"])
def test_a_closed_client_says_so(mount, number) -> None:
    client = mount.client(ARK)
    client.embed(["a"])

    client.close()

    with pytest.raises(ConfigError, match="this client is closed; create a new one"):
        client.embed(TEXTS[:number])
    with pytest.raises(ConfigError, match="this client is closed; create a new one"):
        list(client.stream(TEXTS[:number]))


def test_a_closed_async_client_says_so(mount) -> None:
    async def used() -> None:
        client = mount.async_client(ARK)
        await client.close()
        await client.embed(["a"])

    with pytest.raises(ConfigError, match="this client is closed; create a new one"):
        asyncio.run(used())


VECTOR = {
    "output": {"embeddings": [{"text_index": 0, "embedding": [1.0] * 64}]},
    "usage": {"total_tokens": 1},
}


def test_a_client_that_is_dropped_closes_its_connections_while_its_event_loop_goes_on() -> None:
    async def dropped() -> bool:
        hung_up = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            body = json.dumps(VECTOR).encode()
            with closing(writer):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
                await reader.read()  # until the client closes the connection
            hung_up.set()

        with closing(await asyncio.start_server(answer, "127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            client = AsyncClient(TEXT, api_key="k", base_url=url, dimensions=64)
            await client.embed(["a"])
            kept = not hung_up.is_set()
            del client
            gc.collect()
            await asyncio.wait_for(hung_up.wait(), 5)
        return kept

    assert asyncio.run(dropped())


def test_a_client_handed_in_is_not_closed(inside) -> None:
    handed, handed_async = inside.emulator.http_client(), inside.emulator.http_async_client()
    settings = {"api_key": "k", "http_client": handed, "http_async_client": handed_async}

    async def use() -> None:
        async with AsyncClient(TEXT, **settings) as client:
            await client.embed(["a"])

    asyncio.run(use())
    with Client(TEXT, **settings) as client:
        client.embed(["a"])

    assert (False, False) == (handed.is_closed, handed_async.is_closed)


# Pickling.


@both_kinds
@pytest.mark.parametrize(
    "through",
    [lambda client: pickle.loads(pickle.dumps(client)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_client_travels_with_its_settings(kind, through) -> None:
    client = kind(TEXT, api_key="sk-canary", dimensions=256, instruct="Find shoes", max_concurrency=3)

    again = through(client)

    assert (kind, repr(client), client.model_info) == (type(again), repr(again), again.model_info)


def test_a_client_that_travelled_embeds_the_same(emulate) -> None:
    client = emulate(socket=True).client(TEXT)
    first = client.embed(TEXTS).vectors.tobytes()

    with pickle.loads(pickle.dumps(client)) as again:
        assert first == again.embed(TEXTS).vectors.tobytes()
    client.close()


class _Counted:
    """A limiter that cannot be pickled, as those with a lock."""

    def __init__(self) -> None:
        self.lock, self.calls = threading.Lock(), 0

    def acquire(self) -> None:
        self.calls += 1

    async def aacquire(self) -> None:
        self.calls += 1


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_in_this_process_shares_limiter_and_cache(emulate, copied) -> None:
    """A cache of its own would pay again for what the original has; two limiters would allow twice as much."""
    mount, limiter, cache = emulate(socket=True), _Counted(), {}
    client = mount.client(TEXT, limiter=limiter, cache=cache)
    client.embed(["a"])

    with copied(client) as again:
        again.embed(["a"])
        again.embed(["b"])

    client.close()
    assert (2, 2, 2) == (len(mount.emulator.ledger), limiter.calls, len(cache))


@both_kinds
@pytest.mark.parametrize(
    "through", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
@pytest.mark.parametrize("name", ["http_client", "http_async_client"])
def test_a_client_handed_in_does_not_travel(inside, kind, through, name) -> None:
    client = kind(TEXT, api_key="k", **{name: getattr(inside.emulator, name)()})

    with pytest.raises(ConfigError, match="your own HTTP client cannot be pickled"):
        through(client)


# Forking.

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def _in_child(work: Callable[[], str]) -> str:
    """Do some work in a forked process and return what it says."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:4096])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@needs_fork
@pytest.mark.parametrize("number", [1, 30], ids=["one item", "many"])
def test_a_forked_process_makes_connections_of_its_own(emulate, number) -> None:
    mount = emulate(socket=True)
    with mount.client(ARK) as client:
        first = client.embed(TEXTS[:number]).vectors.tobytes()

        said = _in_child(lambda: str(first == client.embed(TEXTS[:number]).vectors.tobytes()))

        assert "True" == said
        assert first == client.embed(TEXTS[:number]).vectors.tobytes()


@needs_fork
@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.embed(["a"]),
        lambda client: client.embed(TEXTS, on_error="skip"),
        lambda client: list(client.stream(TEXTS)),
        lambda client: asyncio.run(client.aio.embed(TEXTS, on_error="skip")),
    ],
    ids=["one item", "many", "stream", "async"],
)
def test_a_client_handed_in_before_a_fork_is_refused_after_it(inside, use) -> None:
    client = inside.client(ARK)
    client.embed(["a"])

    said = _in_child(lambda: str(use(client)))

    assert said.startswith("ConfigError: ")
    assert "passed before a fork" in said


# No thread.

WITHOUT_THREADS = """
    import sys, threading
    from volc_dashscope import Client, EmbeddingError

    client = Client("text-embedding-v4", api_key="k", base_url=sys.argv[1])
    client.embed(["warm"])

    def attempt():
        for call in (lambda: client.embed(["a"]), lambda: client.embed(["a"] * 30), lambda: list(client.stream(["a"]))):
            try:
                call()
            except EmbeddingError as error:
                print(type(error).__name__, error)
"""
AT_THE_END = """
    class Holder:
        def __del__(self):
            attempt()

    holder = Holder()
"""
TOO_MANY = """
    threading.stack_size(1 << 46)  # more memory than there is, for each thread
    attempt()
"""


@pytest.mark.parametrize(
    ("case", "reason"), [(AT_THE_END, "the interpreter is shutting down"), (TOO_MANY, "start new thread")]
)
def test_a_call_without_a_thread_is_an_error_and_never_waits_for_ever(case: str, reason: str) -> None:
    with Emulator() as emulator:
        command = [sys.executable, "-c", dedent(WITHOUT_THREADS) + dedent(case), emulator.dashscope_url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert 2 <= done.stdout.count("ConfigError no thread can be started")
    assert reason in done.stdout
    assert 0 == done.returncode

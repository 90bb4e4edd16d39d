"""One client for thirty-two threads, for several event loops, for uvloop; once closed it stays closed, and says so."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest
from promise import TEXT, Breakage, sized, texts

from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding, DashScopeSparseEmbedding
from volc_dashscope import ConfigError
from volc_dashscope.jobs import BatchJobs, FileJobs

BREAKAGES = [
    Breakage(
        "volc_dashscope/_http/pool.py",
        "transport = self._async_transports.get(loop)",
        "transport = next(iter(self._async_transports.values()), None)",
        "test_one_client_serves_several_event_loops_at_once",
    ),
    Breakage(
        "volc_dashscope/_lifecycle.py",
        "        with self._lock:\n            self.usage += usage",
        "        seen = self.usage\n        time.sleep(0.001)\n        self.usage = seen + usage",
        "test_thirty_two_threads_share_one_client",
    ),
    Breakage(
        "volc_dashscope/_http/pool.py",
        "own, self._channel, self._closed = self._channel, None, True",
        "own, self._channel, self._closed = self._channel, self._channel.gone if self._closed else None, True",
        "test_closing_twice_is_no_error",
    ),
    Breakage(
        "volc_dashscope/_http/pool.py",
        "        if closed:\n",
        "        if False:\n",
        "test_a_closed_client_says_so",
    ),
    Breakage(
        "volc_dashscope/_http/pool.py",
        "        self._closed_loops.add(running_loop())\n",
        "",
        "test_a_closed_async_client_says_so",
    ),
    Breakage(
        "volc_dashscope/integrations/settings.py",
        "        self._client.close()\n",
        "        self._client._pool._own = None\n",
        "test_a_closed_integration_says_so",
    ),
    Breakage(
        "volc_dashscope/_lifecycle.py",
        "        self._pool.close()\n",
        "        self._pool._own = None\n",
        "test_closed_jobs_say_so",
    ),
    Breakage(
        "volc_dashscope/client.py",
        '        """As `Client._embed`, awaited."""\n',
        '        """As `Client._embed`, awaited."""\n        items = [*items][::-1]\n',
        "test_uvloop_gives_the_same_bytes",
    ),
]


def test_thirty_two_threads_share_one_client(emulate, measured) -> None:
    mount = emulate(socket=True)
    calls = max(64, sized(1_000))
    alone = mount.client(TEXT, dimensions=64)
    wanted = {number: alone.embed(texts(number)).vectors.tobytes() for number in range(1, 26)}
    alone.close()
    mount.emulator.ledger.clear()
    with mount.client(TEXT, dimensions=64, max_concurrency=8) as client, ThreadPoolExecutor(32) as pool:
        got = list(pool.map(lambda call: client.embed(texts(1 + call % 25)).vectors.tobytes(), range(calls)))

    assert [wanted[1 + call % 25] for call in range(calls)] == got
    assert mount.emulator.ledger.in_flight_max <= 8
    assert len(mount.emulator.ledger) == client.usage.requests
    measured(f"{calls} calls, at most {mount.emulator.ledger.in_flight_max} in flight")


def test_one_client_serves_several_event_loops_at_once(emulate) -> None:
    client = emulate(socket=True, latency=0.01).async_client(TEXT, dimensions=64)

    async def embed() -> bytes:
        rows = [(await client.embed(texts(25))).vectors.tobytes() for _ in range(3)]
        assert 1 == len(set(rows))
        return rows[0]

    def thrice() -> None:
        for _ in range(3):
            ended.put(asyncio.run(embed()))

    # Threads nobody waits for: event loops that share what they must not may stand still for ever.
    ended: SimpleQueue[bytes] = SimpleQueue()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(4):
            threading.Thread(target=thrice, daemon=True).start()
        rows = {ended.get(timeout=30) for _ in range(12)}
        gc.collect()

    assert 1 == len(rows)
    assert [] == [str(warning.message) for warning in caught if warning.category is ResourceWarning]


def test_uvloop_gives_the_same_bytes(emulate) -> None:
    import uvloop

    mount = emulate(socket=True)
    with mount.client(TEXT, dimensions=64) as client:
        expected = client.embed(texts(45)).vectors.tobytes()

    async def embed() -> bytes:
        async with mount.async_client(TEXT, dimensions=64) as client:
            return (await client.embed(texts(45))).vectors.tobytes()

    loop = uvloop.new_event_loop()
    try:
        got = loop.run_until_complete(embed())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()

    assert expected == got


CLOSED = {
    "embed": lambda client: client.embed(["a"]),
    "stream": lambda client: next(client.stream(["a"])),
    "async": lambda client: asyncio.run(client.aio.embed(["a"])),
    "async stream": lambda client: asyncio.run(anext(client.aio.stream(["a"]))),
    "nothing to do": lambda client: client.embed([]),
}


@pytest.mark.parametrize("use", CLOSED.values(), ids=CLOSED)
@pytest.mark.parametrize("cache", [None, {}], ids=["plain", "cached"])
def test_a_closed_client_says_so(emulate, use, cache) -> None:
    mount = emulate(socket=True)
    with mount.client(TEXT, cache=cache) as client:
        client.embed(["a"])
    sent = len(mount.emulator.ledger)

    with pytest.raises(ConfigError, match="closed"):
        use(client)
    assert sent == len(mount.emulator.ledger)


def test_a_closed_async_client_says_so(emulate) -> None:
    async def used() -> None:
        async with emulate(socket=True).async_client(TEXT) as client:
            await client.embed(["a"])
        with pytest.raises(ConfigError, match="closed"):
            await client.embed(["a"])
        with pytest.raises(ConfigError, match="closed"):
            await anext(client.stream(["a"]))

    asyncio.run(used())


@pytest.mark.parametrize(
    "kind", [DashScopeEmbeddings, DashScopeMultiModalEmbedding, DashScopeSparseEmbedding]
)
def test_a_closed_integration_says_so(emulate, kind) -> None:
    made = kind(model=TEXT, **emulate(socket=True).settings("dashscope"))
    made.close()

    with pytest.raises(ConfigError, match="closed"):
        made.embed_query("a") if kind is DashScopeEmbeddings else made.get_query_embedding("a")


@pytest.mark.parametrize("kind", [BatchJobs, FileJobs])
def test_closed_jobs_say_so(emulate, kind) -> None:
    with kind(api_key="k", base_url=emulate(socket=True).emulator.dashscope_url) as jobs:
        pass

    with pytest.raises(ConfigError, match="closed"):
        jobs.get("batch-1")


def test_closing_twice_is_no_error(emulate) -> None:
    mount = emulate(socket=True)
    client = mount.client(TEXT, dimensions=64)
    rows = client.embed(texts(3)).vectors.tobytes()

    client.close()
    client.close()

    assert 3 * 64 * 4 == len(rows)

    async def twice() -> None:
        twin = mount.async_client(TEXT, dimensions=64)
        assert rows == (await twin.embed(texts(3))).vectors.tobytes()
        await twin.close()
        await twin.close()

    asyncio.run(twice())

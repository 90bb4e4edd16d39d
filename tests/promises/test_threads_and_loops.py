"""One client for thirty-two threads, for several event loops, for uvloop; closing it twice is no error."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from promise import TEXT, Breakage, sized, texts

BREAKAGES = [
    Breakage(
        "volc_dashscope/_http/pool.py",
        "place = self._places.get(loop)",
        "place = next(iter(self._places.values()), None)",
        "test_one_client_serves_several_event_loops_at_once",
    ),
    Breakage(
        "volc_dashscope/client.py",
        "        with self._lock:\n            self.usage += usage",
        "        seen = self.usage\n        time.sleep(0.001)\n        self.usage = seen + usage",
        "test_thirty_two_threads_share_one_client",
    ),
    Breakage(
        "volc_dashscope/_http/pool.py",
        "own, self._own = self._own, None",
        "own = self._own; self._own = own.gone if own is None else None",
        "test_closing_twice_is_no_error",
    ),
    Breakage(
        "volc_dashscope/client.py",
        '        """As `Client.embed`, awaited."""\n        given, items = Redacted(items), ()',
        '        """As `Client.embed`, awaited."""\n        given, items = Redacted([*items][::-1]), ()',
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


def test_closing_twice_is_no_error(emulate) -> None:
    mount = emulate(socket=True)
    client = mount.client(TEXT, dimensions=64)
    rows = client.embed(texts(3)).vectors.tobytes()

    client.close()
    client.close()

    async def twice() -> None:
        twin = mount.async_client(TEXT, dimensions=64)
        assert rows == (await twin.embed(texts(3))).vectors.tobytes()
        await twin.close()
        await twin.close()

    asyncio.run(twice())

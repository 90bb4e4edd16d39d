"""A program that leaves a stream ends, though the requests in flight are never answered."""

from __future__ import annotations

import os
import time
from textwrap import dedent

import forked
import pytest
from hanging import answers_once, server
from promise import ROOT, Breakage

BREAKAGES = [
    Breakage(
        "volc_dashscope/_request/workers.py",
        "        if idle:\n            for worker",
        "        if True:\n            for worker",
        "test_a_program_that_leaves_a_stream_ends",
    ),
    Breakage(
        "volc_dashscope/_request/workers.py",
        'name="volc-dashscope", daemon=True',
        'name="volc-dashscope", daemon=False',
        "test_a_call_that_is_given_up_lets_its_program_end",
    ),
]
# Does what `python -W error::ResourceWarning` does.
STRICT = "import warnings; warnings.simplefilter('error', ResourceWarning)\n"
SCRIPT = """
    import asyncio, sys
    from volc_dashscope import AsyncClient, Client, EmbeddingError
    model = "doubao-embedding-vision-251215"
    reach = {"api_key": "k", "base_url": sys.argv[1], "max_concurrency": 4}
    items = [str(number) for number in range(100)]

    def left(client):
        for _ in client.stream(iter(items), ordered=False):
            break

    streams = []

    async def held(*clients):
        for client in clients:
            streams.append(client.stream(iter(items), ordered=False))
        await anext(streams[0])

    async def aleft(client):
        async for _ in client.stream(iter(items), ordered=False):
            break
    """
HANDED = """
    async def handed_in(own):
        async with own:
            await aleft(AsyncClient(model, **reach, http_async_client=own))
    """
# Each ends where the first row arrived; the next three requests are never answered.
STREAMS = {
    "Client.stream": "left(Client(model, **reach))",
    "Client.stream that is still held": "stream = Client(model, **reach).stream(iter(items), ordered=False); next(stream)",
    "Client.stream, with": "with Client(model, **reach) as client: left(client)",
    "AsyncClient.stream": "asyncio.run(aleft(AsyncClient(model, **reach)))",
    "AsyncClient.stream that is still held": "asyncio.run(held(AsyncClient(model, **reach)))",
    "AsyncClient.stream that is still held, uvloop": "import uvloop; uvloop.run(held(AsyncClient(model, **reach)))",
    "Client.aio that is still held": "asyncio.run(held(Client(model, **reach).aio))",
    "AsyncClient.stream, uvloop": "import uvloop; uvloop.run(aleft(AsyncClient(model, **reach)))",
    "Client.aio": "asyncio.run(aleft(Client(model, **reach).aio))",
    "httpx's client": "import httpx; left(Client(model, **reach, http_client=httpx.Client(timeout=60)))",
    "httpx2's client": "import httpx2; left(Client(model, **reach, http_client=httpx2.Client(timeout=60)))",
    "httpx's async client": f"{HANDED}import httpx; asyncio.run(handed_in(httpx.AsyncClient(timeout=60)))",
    "httpx2's async client": f"{HANDED}import httpx2; asyncio.run(handed_in(httpx2.AsyncClient(timeout=60)))",
    "httpx-aiohttp": HANDED
    + "import httpx, httpx_aiohttp; "
    + "asyncio.run(handed_in(httpx.AsyncClient(transport=httpx_aiohttp.AiohttpTransport(), timeout=60)))",
    # Ray's `Embedder` and the command line read the same stream; the integrations have none.
    "embed_file": """
    import pathlib, tempfile
    from volc_dashscope.bulk import embed_file

    class Left(Exception):
        pass

    def watch(rows, failed, usage):
        raise Left

    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "texts.txt")
        source.write_text("\\n".join(items))
        try:
            embed_file(source, source.with_name("out.parquet"), model=Client(model, **reach), watch=watch)
        except Left:
            pass
    """,
}
# Each is refused once, which is the end of the call; three other requests are never answered.
CALLS = {
    "Client.embed": "with Client(model, **reach) as client: client.embed(items, on_error='abort')",
    "AsyncClient.embed": "asyncio.run(AsyncClient(model, **reach).embed(items, on_error='abort'))",
}


def _ends(program: str, status: bytes) -> tuple[str, str, int]:
    """Run a program to its end; return what it printed and its exit code."""
    with server(answers_once(status, others=3)) as url:
        process = forked.start(STRICT + program, url, folder=ROOT, environ=os.environ)
        said, warned = process.communicate(timeout=20)
    return said, warned, process.returncode


@pytest.mark.parametrize("way", STREAMS.values(), ids=STREAMS)
def test_a_program_that_leaves_a_stream_ends(measured, way) -> None:
    began = time.monotonic()
    ended = _ends(dedent(SCRIPT) + dedent(way) + "\nprint('left')", b"200 OK")

    measured(f"{time.monotonic() - began:.1f} s")
    assert ("left\n", "", 0) == ended


@pytest.mark.parametrize("way", CALLS.values(), ids=CALLS)
def test_a_call_that_is_given_up_lets_its_program_end(way) -> None:
    wrapped = f"try:\n    {way}\nexcept EmbeddingError as error:\n    print(type(error).__name__)"

    assert ("AuthError\n", "", 0) == _ends(dedent(SCRIPT) + wrapped, b"401 Unauthorized")

"""
How long a call takes to say that nothing can be reached. python -m benchmarks.times_to_error

Each fault is made on 127.0.0.1. A client with its default settings embeds 1, 16 and 1,000 texts, in one row per fault
and kind of client. Printed are the seconds until the error, and the error of the largest call.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from tempfile import TemporaryDirectory
from threading import Thread
from unittest import mock

import trustme

from volc_dashscope import AsyncClient, Client, EmbeddingError

COUNTS = (1, 16, 1000)
MODEL = "text-embedding-v4"


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def refused() -> Iterator[str]:
    """Yield the URL of a port on which nobody listens."""
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def unresolvable() -> Iterator[str]:
    """Yield a URL whose name does not exist (RFC 6761)."""
    yield "https://embeddings.invalid"


@contextmanager
def black_hole() -> Iterator[str]:
    """Yield the URL of a port whose queue of connections is full: what comes next gets no answer."""
    with closing(socket.socket()) as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            one = waiting.enter_context(closing(socket.socket()))
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def certificate() -> Iterator[str]:
    """Yield the URL of a server whose certificate nobody vouches for."""
    with TemporaryDirectory() as folder, closing(socket.create_server(("127.0.0.1", 0))) as listener:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issued = trustme.CA().issue_cert("127.0.0.1")
        with issued.private_key_and_cert_chain_pem.tempfile(dir=folder) as path:
            context.load_cert_chain(path)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    context.wrap_socket(connection, server_side=True).close()
                except ssl.SSLError:
                    continue
                except OSError:
                    if listener.fileno() < 0:
                        return

        Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def proxy() -> Iterator[str]:
    """Yield a URL that is reached through a proxy which is not there."""
    with mock.patch.dict(os.environ, {"HTTPS_PROXY": f"http://127.0.0.1:{free_port()}"}):
        yield "https://dashscope.aliyuncs.com/api/v1"


def sync(url: str, texts: list[str]) -> None:
    """Embed with a `Client`."""
    with Client(MODEL, api_key="k", base_url=url) as client:
        client.embed(texts)


def awaited(url: str, texts: list[str]) -> None:
    """Embed with an `AsyncClient`."""

    async def run() -> None:
        async with AsyncClient(MODEL, api_key="k", base_url=url) as client:
            await client.embed(texts)

    asyncio.run(run())


def measure(call: Callable[[str, list[str]], None], url: str, count: int) -> tuple[float, str]:
    """Return the seconds until a call failed, and its error."""
    began = time.perf_counter()
    try:
        call(url, [f"text {number}" for number in range(count)])
    except EmbeddingError as error:
        return time.perf_counter() - began, f"{type(error).__name__}: {error}"
    raise AssertionError("the call succeeded")


def main() -> None:
    """Print the table."""
    print(f"| fault | client, items | {' | '.join(f'{count:,}' for count in COUNTS)} | error |")
    print("|---|---|" + "---:|" * len(COUNTS) + "---|")
    for place in (refused, unresolvable, black_hole, certificate, proxy):
        for kind, call in (("sync", sync), ("async", awaited)):
            seconds, said = [], ""
            for count in COUNTS:
                with place() as url:
                    took, said = measure(call, url, count)
                seconds.append(f"{took:.1f} s")
            print(
                f"| {place.__name__.replace('_', ' ')} | {kind} | {' | '.join(seconds)} | {said[:160]} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

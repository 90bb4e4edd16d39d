"""Over TLS, as all real traffic goes: the same rows, and nothing for a server that nobody vouches for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import trustme

ROOT = Path(__file__).resolve().parents[2]

# A process of its own, since whom to trust is read once. Before the emulator stands a front that speaks TLS.
SCRIPT = """
    import asyncio, io, ssl, sys, threading
    import numpy as np
    import uvloop
    from PIL.Image import frombytes
    from volc_dashscope import AsyncClient, Client, Image, TransportError
    from volc_dashscope.emulator import Emulator

    emulator = Emulator().start()
    secrets = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secrets.load_cert_chain(sys.argv[1])
    # As services have it: who does not say what it speaks, or says too much, is spoken to in HTTP/2.
    secrets.set_alpn_protocols(["h2", "http/1.1"])
    spoken = set()

    async def pipe(reader, writer):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def through(reader, writer):
        spoken.add(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        port = int(emulator.ark_url.split(":")[2].split("/")[0])
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, back), pipe(there, writer), return_exceptions=True)

    async def serve(ready, ports):
        server = await asyncio.start_server(through, "127.0.0.1", 0, ssl=secrets)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    ready, ports = threading.Event(), []
    threading.Thread(target=asyncio.run, args=(serve(ready, ports),), daemon=True).start()
    ready.wait()

    # The picture does not fit into what a socket takes at once.
    noise, file = np.random.default_rng(0).bytes(3 * 800 * 800), io.BytesIO()
    frombytes("RGB", (800, 800), noise).save(file, "png")
    big = Image.from_bytes(file.getvalue())
    items = [*(f"text number {number}" for number in range(20)), big]
    reach = {
        "model": "doubao-embedding-vision-251215", "api_key": "k", "max_retries": 0,
        "base_url": f"https://127.0.0.1:{ports[0]}/api/v3", "max_concurrency": 4,
    }

    def sync():
        with Client(**reach) as client:
            return client.embed(items).vectors

    async def task():
        async with AsyncClient(**reach) as client:
            return (await client.embed(items)).vectors

    ways = {
        "sync": lambda: sync(), "async": lambda: asyncio.run(task()),
        "uvloop": lambda: uvloop.run(task()),
    }
    with Client(**{**reach, "base_url": emulator.ark_url}) as client:
        plain = client.embed(items).vectors
    for name, way in ways.items():
        before = len(emulator.ledger)
        try:
            print(name, "the same" if np.array_equal(plain, way()) else "others", *spoken)
        except TransportError as error:
            print(name, error.status, "sent", len(emulator.ledger) - before)
        except Exception as error:
            print(name, type(error).__name__, "sent", len(emulator.ledger) - before)
    """


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def _run(authority: trustme.CA, folder: Path, *, ssl_context: bool) -> list[str]:
    chain, known = folder / "chain.pem", folder / "authority.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(chain))
    authority.cert_pem.write_to_path(str(known))
    script = folder / "ways.py"
    script.write_text(dedent(SCRIPT), "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SSL_")}
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", str(script), str(chain)],
        cwd=ROOT,
        env={
            **environment,
            "PYTHONPATH": str(ROOT),
            **({"SSL_CERT_FILE": str(known)} if ssl_context else {}),
        },
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert "" == done.stderr.decode()
    return done.stdout.decode().splitlines()


def test_every_client_gets_the_same_rows_over_tls(authority, tmp_path):
    answer = _run(authority, tmp_path, ssl_context=True)

    assert [f"{way} the same http/1.1" for way in ("sync", "async", "uvloop")] == answer


def test_nothing_is_said_to_a_server_nobody_vouches_for(authority, tmp_path):
    answer = _run(authority, tmp_path, ssl_context=False)

    assert [f"{way} BulkError sent 0" for way in ("sync", "async", "uvloop")] == answer

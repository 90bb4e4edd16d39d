"""A warm client works on both sides of `fork()` and in a spawned process, each with vectors of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from textwrap import dedent

import pytest
from promise import ROOT, Breakage

BREAKAGES = [
    Breakage(
        "volc_dashscope/_http/pool.py",
        "                )\n            self._begin()",
        "                )\n            pass",
        "test_a_warm_client_survives",
    ),
    Breakage(
        "volc_dashscope/_lifecycle.py",
        "return (self._settings,)",
        'return (__import__("dataclasses").replace(self._settings, api_key="another"),)',
        "test_a_warm_client_survives",
    ),
]
FORK = """
    import asyncio, json, os, sys, threading
    from volc_dashscope import Client

    client = Client("text-embedding-v4", api_key="k", base_url=sys.argv[1], dimensions=64, max_concurrency=4)
    twin = client.aio

    def rows(name):
        texts = [f"{name} {number}" for number in range(31)]
        sync = client.embed(texts).vectors
        twins = asyncio.run(twin.embed(texts)).vectors
        fresh = Client("text-embedding-v4", api_key="k", base_url=sys.argv[1], dimensions=64)
        return sync.tobytes() == twins.tobytes() == fresh.embed(texts).vectors.tobytes()

    rows("warm")
    # Another thread holds the client's locks and connections at the moment of the fork, as far as chance allows.
    busy = threading.Thread(target=lambda: [rows("busy") for _ in range(3)])
    busy.start()
    readers = []
    for child in range(4):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            right = all(rows(f"child {child} turn {turn}") for turn in range(3))
            os.write(writer, str(right).encode())
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    parent = all(rows(f"parent turn {turn}") for turn in range(3))
    children = [os.fdopen(reader).read() for reader in readers]
    busy.join()
    print(json.dumps([str(parent), *children]))
    """
SPAWN = """
    import json, multiprocessing, sys
    from volc_dashscope import Client

    def work(client, texts, pipe):
        pipe.send(client.embed(texts).vectors.tobytes())

    if __name__ == "__main__":
        client = Client("text-embedding-v4", api_key="k", base_url=sys.argv[1], dimensions=64)
        texts = [f"text {number}" for number in range(31)]
        warm = client.embed(texts).vectors.tobytes()
        context = multiprocessing.get_context("spawn")
        mine, theirs = context.Pipe()
        child = context.Process(target=work, args=(client, texts, theirs))
        child.start()
        said = mine.recv()
        child.join()
        print(json.dumps([str(said == warm), str(client.embed(texts).vectors.tobytes() == warm)]))
    """


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(
    ("script", "answers"), [(FORK, ["True"] * 5), (SPAWN, ["True"] * 2)], ids=["fork", "spawn"]
)
def test_a_warm_client_survives(emulate, tmp_path, script, answers) -> None:
    emulator = emulate(socket=True).emulator
    path = tmp_path / "program.py"
    path.write_text(dedent(script))

    done = subprocess.run(
        [sys.executable, str(path), emulator.dashscope_url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout, done.stderr
    assert answers == json.loads(done.stdout)
    assert {"Bearer k"} == {entry.headers["authorization"] for entry in emulator.ledger}

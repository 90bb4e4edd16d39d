"""
Starts programs that use the package in a fork of a process that has loaded it: up to half a second less each.

The arguments, folder, variables and streams are the program's own; it runs as `__main__` and ends as Python ends it.
Tests of the start itself (what is loaded, options of the interpreter) start a real one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 120  # seconds until a program is ended that does not end itself

# Does what `python FILE` does.
SCRIPT = """
import runpy, sys
sys.argv[:1] = []
sys.path[0] = sys.argv[0].rpartition("/")[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# One message a line. A program to start comes with its two streams and is answered by its process id; a process id is
# answered by the exit code, or by null while the process runs.
SERVER = """
import gc, json, os, signal, socket, sys
import PIL.PngImagePlugin, anyio, asyncio, h11, h2.connection, httpcore, httpx, pyarrow.parquet, tqdm
import volc_dashscope.cli._app
from volc_dashscope import AsyncClient, Client, Image, Reranker
from volc_dashscope.bulk import embed_file, rerank_file
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.emulator import Emulator

# The emulator's first reply, not a client's, builds what the later ones use.
with Emulator().http_client() as client:
    url = "https://dashscope.aliyuncs.com/api/v1/services/embeddings/text-embedding/text-embedding"
    body = {"model": "text-embedding-v4", "input": {"texts": ["a"]}}
    client.post(url, headers={"Authorization": "Bearer k"}, json=body).raise_for_status()

tests = socket.socket(fileno=int(sys.argv[1]))
gc.collect()
gc.freeze()
while True:
    message, streams, _, _ = socket.recv_fds(tests, 65536, 2)
    while message and not message.endswith(b"\\n"):
        message += tests.recv(65536)
    if not message:
        sys.exit()
    asked = json.loads(message)
    if isinstance(asked, int):
        process, status = os.waitpid(asked, os.WNOHANG)
        answer = os.waitstatus_to_exitcode(status) if process else None
    else:
        answer = os.fork()
        if not answer:
            break
    for stream in streams:
        os.close(stream)
    tests.sendall(json.dumps(answer).encode() + b"\\n")
tests.close()
for number, stream in enumerate(streams, 1):
    os.dup2(stream, number)
    os.close(stream)
program, sys.argv, folder, variables, longest = asked
signal.alarm(longest)
os.chdir(folder)
os.environ.clear()
os.environ.update(variables)
exec(program, {"__name__": "__main__"})
"""


class Forked:
    """A program that was started: what tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, out: IO[bytes], err: IO[bytes] | None) -> None:
        self.pid = pid
        self.returncode: Any = None  # as in `Popen`, an int after the end
        self._streams = (out, err)

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None:
            self.returncode = _ask(self.pid)
        return self.returncode

    def communicate(self, timeout: float = LONGEST) -> tuple[str, str]:
        """Wait for the end and return what was written to stdout and stderr."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"still running after {timeout} s")
            time.sleep(0.005)
        out, err = (_text(stream) for stream in self._streams)
        return out, err

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _text(stream: IO[bytes] | None) -> str:
    if stream is None:
        return ""
    with stream:
        stream.seek(0)
        return stream.read().decode()


def start(
    program: str,
    *arguments: object,
    folder: Path,
    environ: Mapping[str, str],
    stderr: int | None = None,
) -> Forked:
    """
    Start a program of Python code, as `python -c` would.

    Args:
        environ: All its environment variables.
        stderr: A descriptor; else stderr is kept for `communicate`.
    """
    out = tempfile.TemporaryFile()  # noqa: SIM115 - `communicate` closes them
    err = tempfile.TemporaryFile() if stderr is None else None  # noqa: SIM115 - likewise
    streams = [out.fileno(), stderr if err is None else err.fileno()]
    line = ["-c", *map(str, arguments)]
    pid = _ask([program, line, str(folder), dict(environ), LONGEST], *streams)
    return Forked(pid, out, err)


_SERVERS: list[tuple[subprocess.Popen[bytes], socket.socket]] = []


def _ask(message: Any, *streams: int) -> Any:
    if not _SERVERS:
        ours, theirs = socket.socketpair()
        with theirs:
            server = subprocess.Popen(
                [sys.executable, "-c", SERVER, str(theirs.fileno())],
                env=_environ(),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        _SERVERS.append((server, ours))
    [(_, ours)] = _SERVERS
    socket.send_fds(ours, [json.dumps(message).encode() + b"\n"], streams)
    answer = b""
    while not answer.endswith(b"\n"):
        piece = ours.recv(65536)
        if not piece:
            raise ConnectionError("the process that forks has ended")
        answer += piece
    return json.loads(answer)


def _environ() -> dict[str, str]:
    # Unbuffered streams would hide what a full disk does to buffered ones, which users have.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    # A fork wants one thread only.
    return {**inherited, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


def stop() -> None:
    """End the process that forks, if a test has started it."""
    while _SERVERS:
        server, ours = _SERVERS.pop()
        ours.close()
        server.wait(60)

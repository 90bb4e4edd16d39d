"""Something answers that is not the service, or nothing does before a request has left: said soon, and by name."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import forked
import pytest
import trustme
from at_once import AtOnce
from tcp_server import Serve, tcp_server

from volc_dashscope import AsyncClient, BulkError, Client, EmbeddingError, TransportError
from volc_dashscope.emulator import Emulator
from volc_dashscope.jobs import AsyncFileJobs, FileJobs

ROOT = Path(__file__).resolve().parents[2]
TEXT = "text-embedding-v4"
KINDS = ("sync", "async")
both_kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def _embed(kind: str, number: int, **settings: object) -> None:
    items, settings = [f"text {each}" for each in range(number)], {"api_key": "k", **settings}
    if kind == "sync":
        with Client(TEXT, **settings) as client:
            client.embed(items)
        return

    async def awaited() -> None:
        async with AsyncClient(TEXT, **settings) as client:
            await client.embed(items)

    asyncio.run(awaited())


def _says(answer: bytes) -> Serve:
    def serve(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    return serve


ANSWERS = {
    "a TLS alert": (bytes.fromhex("15030300020246"), True),
    "the frames of HTTP/2": (bytes.fromhex("000006040000000000000400400000"), True),
    "the greeting of a shell": (b"SSH-2.0-OpenSSH_9.6\r\n", False),
    "nothing": (b"", False),
}


def _named(kind: str, number: int, answer: str) -> BaseException | None:
    words = r"127\.0\.0\.1:\d+ \(the connection broke\).*; check the scheme .* and port in base_url"
    began = time.monotonic()
    with (
        tcp_server(_says(ANSWERS[answer][0])) as port,
        pytest.raises((TransportError, BulkError), match=words) as caught,
    ):
        _embed(kind, number, base_url=f"http://127.0.0.1:{port}")

    assert time.monotonic() - began < 8.0
    return caught.value.__cause__ if isinstance(caught.value, BulkError) else caught.value


named = AtOnce(_named, itertools.product(KINDS, (1, 100), ANSWERS))


@both_kinds
@pytest.mark.parametrize("number", [1, 100])
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_server_that_does_not_speak_http_is_named_soon(kind, number, answer) -> None:
    error = named(kind, number, answer)

    assert (True, ANSWERS[answer][1]) == (error.account, "its answer is not HTTP" in str(error))


PAGE = b"<!DOCTYPE html><html><title>Log in</title><p>Welcome to the hotel Wi-Fi</html>"


def _page(status: bytes, body: bytes = PAGE) -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


PAGES = {
    "a login page": _page(b"200 OK"),
    "of few letters": _page(b"200 OK", b"\xef\xbb\xbf\n <HTML></HTML>"),
    "login required": _page(b"511 Network Authentication Required"),
}


@both_kinds
@pytest.mark.parametrize("number", [1, 100])
@pytest.mark.parametrize("page", PAGES)
def test_a_web_page_instead_of_the_service_is_named_soon(kind, number, page) -> None:
    """All eight attempts took a minute, for each batch of a job, and the error blamed the service."""
    asked = []

    def serve(connection: socket.socket, _: threading.Event) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(PAGES[page])

    words = r"127\.0\.0\.1:\d+ answered with a web page; .*base_url"
    began = time.monotonic()
    with tcp_server(serve) as port, pytest.raises(EmbeddingError, match=words) as caught:
        _embed(kind, number, base_url=f"http://127.0.0.1:{port}")

    error = caught.value.__cause__ if isinstance(caught.value, BulkError) else caught.value
    assert error.account
    assert time.monotonic() - began < 8.0
    assert len(asked) <= (3 if number == 1 else 24)
    assert "hotel" not in str(caught.value)


@both_kinds
def test_http_to_a_port_of_tls_is_said_soon(kind) -> None:
    """Such a server may reset the connection, with its answer still unread."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def serve(connection: socket.socket, _: threading.Event) -> None:
        with suppress(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)
        with suppress(OSError):
            connection.recv(65536)

    with tcp_server(serve) as port, pytest.raises(TransportError, match="check the scheme"):
        _embed(kind, 1, base_url=f"http://127.0.0.1:{port}", deadline=20.0)


@both_kinds
def test_garbage_after_a_first_success_is_sent_again(kind, emulate) -> None:
    """A service that was reached is the right one: what comes between is a fault of the line."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        emulator = Emulator().start()
        try:
            garbage = iter([False, True, False, False])

            def front() -> None:
                with suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        with connection:
                            _pass_on(connection, emulator, spoilt=next(garbage))

            threading.Thread(target=front, daemon=True).start()
            base = f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
            if kind == "sync":
                with Client(TEXT, api_key="k", base_url=base) as client:
                    rows = [client.embed([text]).vectors for text in ("one", "two")]
            else:
                rows = asyncio.run(_two(base))
        finally:
            emulator.stop()

    assert [(1, 1024)] * 2 == [row.shape for row in rows]


async def _two(base: str) -> list[object]:
    async with AsyncClient(TEXT, api_key="k", base_url=base) as client:
        return [(await client.embed([text])).vectors for text in ("one", "two")]


def _pass_on(connection: socket.socket, emulator: Emulator, *, spoilt: bool) -> None:
    """Pass one exchange on to the emulator, and close; or answer it with something that is not HTTP."""
    asked = connection.recv(65536)
    while b"}" not in asked:
        asked += connection.recv(65536)
    if spoilt:
        connection.sendall(b"\x15\x03\x03\r\n\r\n")
        return
    port = int(emulator.dashscope_url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as there:
        there.settimeout(0.3)
        there.sendall(asked)
        with suppress(TimeoutError):
            while piece := there.recv(65536):
                connection.sendall(piece)


@both_kinds
def test_a_handshake_that_stalls_is_a_connection_that_timed_out(kind) -> None:
    """It may be well the next time, so it is tried again and ends no other request."""
    words = r"cannot connect to 127\.0\.0\.1:\d+ \(timed out\)"
    tried = []

    def serve(connection: socket.socket, over: threading.Event) -> None:
        tried.append(connection)
        over.wait(5)

    with tcp_server(serve) as port, pytest.raises(TransportError, match=words) as caught:
        _embed(kind, 1, base_url=f"https://127.0.0.1:{port}", timeout=0.4)

    assert caught.value.retryable
    assert 3 == len(tried)


def _failures(**settings: object) -> list[str]:
    """Embed with both kinds of client at once, because each waits for ten seconds; return what they raised."""

    def failure(kind: str) -> str:
        with pytest.raises(EmbeddingError) as caught:
            _embed(kind, 1, **settings)
        return str(caught.value)

    with ThreadPoolExecutor(2) as pool:
        return [*pool.map(failure, ("sync", "async"))]


@pytest.mark.parametrize("timeout", [0.4, 60.0], ids=["short timeout", "default timeout"])
def test_a_proxy_that_never_answers_is_named_as_soon_as_a_silent_host(timeout, monkeypatch) -> None:
    began = time.monotonic()
    with tcp_server(lambda _, over: over.wait(30)) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:canary@127.0.0.1:{port}")
        said = _failures(base_url="https://example.test", timeout=timeout)

    assert time.monotonic() - began < 13.0
    words = f"cannot connect to the proxy 127.0.0.1:{port} (timed out)"
    assert [True, True] == [each.startswith(words) for each in said], said


@both_kinds
def test_a_proxy_that_wants_to_know_who_asks_is_named_without_a_tunnel_too(kind, monkeypatch) -> None:
    """Requests over plain http are passed on, so its refusal looks like a reply of the service."""
    asked = []

    def serve(connection: socket.socket, _: threading.Event) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    with tcp_server(serve) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:canary@127.0.0.1:{port}")
        words = (
            rf"the proxy 127\.0\.0\.1:{port} refused to connect to example\.test \(407 Proxy Authentication"
        )
        with pytest.raises(BulkError, match=words):
            _embed(kind, 500, base_url="http://example.test", insecure_http=True)

    assert len(asked) <= 8  # nothing is started after it


SLOW = """
import asyncio, sys
from volc_dashscope import AsyncClient, Client

settings = {"api_key": "k", "base_url": "https://example.test", "max_retries": 0}

def embed():
    if sys.argv[1] == "sync":
        Client("text-embedding-v4", **settings).embed(["a"])
    else:
        asyncio.run(AsyncClient("text-embedding-v4", **settings).embed(["a"]))

try:
    embed()
except Exception as error:
    print(error)
"""


def test_a_slow_reply_through_a_proxy_has_the_whole_timeout(tmp_path) -> None:
    """Only the proxy's own answer is part of connecting, which ends after ten seconds."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("example.test").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            over.wait(10.5)
            secured.sendall(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")

    with tcp_server(serve) as port:
        environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SSL_CERT_FILE": str(tmp_path / "authority.pem"),
            "HTTPS_PROXY": f"127.0.0.1:{port}",
        }
        both = [forked.start(SLOW, kind, folder=tmp_path, environ=environ) for kind in ("sync", "async")]
        said = [process.communicate(timeout=60) for process in both]

    assert [(True, "")] * 2 == [("401" in out, err) for out, err in said], said


def _submit(kind: str, base_url: str) -> object:
    reach = {"api_key": "k", "base_url": base_url}
    if kind == "sync":
        return FileJobs(**reach).submit("https://files.test/lines.txt")
    return asyncio.run(AsyncFileJobs(**reach).submit("https://files.test/lines.txt"))


def _never_left(kind: str) -> float:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    words = rf"\Acannot connect to 127\.0\.0\.1:{port} \(connection refused\); run volc-dashscope doctor\Z"
    with pytest.raises(TransportError, match=words):
        _submit(kind, f"http://127.0.0.1:{port}")
    return time.monotonic() - began


never_left = AtOnce(_never_left, [(kind,) for kind in KINDS])


@both_kinds
def test_a_job_that_never_left_is_submitted_again_and_not_said_to_be_accepted(kind) -> None:
    assert 0.7 < never_left(kind) < 9.0  # three attempts


RESULT = {
    "request_id": "r",
    "output": {"task_id": "t", "task_status": "SUCCEEDED", "url": "https://results.invalid/lines"},
}


def _finished(result: str) -> Serve:
    """Serve a job that has ended, with a link to its result."""
    body = json.dumps({**RESULT, "output": {**RESULT["output"], "url": result}}).encode()

    def serve(connection: socket.socket, _: threading.Event) -> None:
        while connection.recv(65536):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    return serve


def _collect(kind: str, base_url: str, **settings: object) -> object:
    reach = {"api_key": "k", "base_url": base_url, **settings}
    if kind == "sync":
        with FileJobs(**reach) as jobs:
            return jobs.collect("t")

    async def awaited() -> object:
        async with AsyncFileJobs(**reach) as jobs:
            return await jobs.collect("t")

    return asyncio.run(awaited())


@both_kinds
def test_a_result_elsewhere_goes_through_the_proxy_for_its_own_host(kind, monkeypatch) -> None:
    """The service is on this machine and needs none."""
    asked = []

    def proxy(connection: socket.socket, _: threading.Event) -> None:
        asked.append(connection.recv(65536).split(b"\r\n")[0])
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    with tcp_server(proxy) as gate, tcp_server(_finished("https://results.invalid/lines")) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{gate}")
        words = rf"the proxy 127\.0\.0\.1:{gate} refused to connect to results.invalid"
        with pytest.raises(TransportError, match=words):
            _collect(kind, f"http://127.0.0.1:{port}")

    assert [b"CONNECT results.invalid:443 HTTP/1.1"] == asked


@both_kinds
def test_a_result_elsewhere_that_cannot_be_reached_is_said_soon(kind) -> None:
    """The service was reached, but this host never was."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        link = f"https://127.0.0.1:{free.getsockname()[1]}/lines"
    began = time.monotonic()
    with tcp_server(_finished(link)) as port, pytest.raises(TransportError, match="connection refused"):
        _collect(kind, f"http://127.0.0.1:{port}")

    assert time.monotonic() - began < 9.0


FULL = """
import asyncio, resource, sys
from volc_dashscope.jobs import AsyncFileJobs, FileJobs

resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # as a full disk, for this process
kind = FileJobs if sys.argv[1] == "sync" else AsyncFileJobs
jobs = kind(api_key="k", base_url=sys.argv[2], deadline=20)
try:
    jobs.collect("t") if sys.argv[1] == "sync" else asyncio.run(jobs.collect("t"))
except Exception as error:
    print(type(error).__name__, error)
"""


@both_kinds
@pytest.mark.parametrize("size", [1_000_100, 3_000_000], ids=["in its last bytes", "early"])
def test_a_result_that_the_disk_does_not_hold_is_final_and_named(kind, size) -> None:
    downloads = []

    def serve(connection: socket.socket, _: threading.Event) -> None:
        while asked := connection.recv(65536):
            if asked.startswith(b"GET /lines"):
                downloads.append(asked)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + bytes(size))
            else:
                body = json.dumps(result).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    with tcp_server(serve) as port:
        url = f"http://127.0.0.1:{port}"
        result = {**RESULT, "output": {**RESULT["output"], "url": f"{url}/lines"}}
        process = forked.start(FULL, kind, url, folder=ROOT, environ={**os.environ, "PYTHONPATH": str(ROOT)})
        out, err = process.communicate(timeout=60)

    words = "ConfigError the reply cannot be written to a temporary file (file too large); free space"
    assert (True, "", 1) == (out.startswith(words), err, len(downloads))

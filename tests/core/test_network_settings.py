"""Certificates and proxies that are set up wrong: final errors of our tree that name the setting, never a password."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import trustme

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "canary-pass"
_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

# A process of its own, since whom to trust is read once.
SCRIPT = """
    import asyncio, json, sys, time
    from volc_dashscope import AsyncClient, BulkError, Client

    reach = {"model": "text-embedding-v4", "api_key": "k", "base_url": sys.argv[1]}
    items = [f"text {number}" for number in range(int(sys.argv[2]))]

    def sync():
        with Client(**reach) as client:
            client.embed(items)

    async def task():
        async with AsyncClient(**reach) as client:
            await client.embed(items)

    for way in (sync, lambda: asyncio.run(task())):
        began = time.monotonic()
        try:
            way()
        except Exception as error:
            kind, found = type(error).__name__, error
            if isinstance(error, BulkError):
                found = error.__cause__
            print(json.dumps([type(found).__name__, str(found), time.monotonic() - began]))
        else:
            print(json.dumps(["done", "", 0]))
    """


def _tried(tmp_path: Path, url: str, environment: dict[str, str], number: int = 1) -> list[Any]:
    """Return what `Client` and `AsyncClient` made of a set-up."""
    script = tmp_path / "script.py"
    script.write_text(dedent(SCRIPT), "utf-8")
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name not in _VARIABLES
    }
    done = subprocess.run(
        [sys.executable, str(script), url, str(number)],
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert PASSWORD not in done.stdout.decode()
    assert "" == done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


@contextmanager
def _server(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """Answer each connection, one after the other."""

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(5)
                serve(connection)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=listen, daemon=True).start()
        yield listener.getsockname()[1]


def _says(line: bytes) -> Callable[[socket.socket], object]:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % line)

    return serve


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _tls(authority: trustme.CA, *names: str, **settings: Any) -> Callable[[socket.socket], object]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, **settings).configure_cert(context)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")

    return serve


def test_a_certificate_nobody_vouches_for_is_final_at_once(authority, tmp_path) -> None:
    with _server(_tls(authority, "127.0.0.1")) as port:
        found = _tried(tmp_path, f"https://127.0.0.1:{port}", {}, number=30)

    for kind, words, seconds in found:
        assert "TransportError" == kind
        assert f"the certificate of 127.0.0.1:{port} is not accepted (" in words
        assert "SSL_CERT_FILE" in words
        assert seconds < 4


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("names", "settings", "reason"),
    [
        (("other.example",), {}, "is not valid for '127.0.0.1'"),
        (("127.0.0.1",), {"expired": True}, "certificate has expired"),
        (("127.0.0.1",), {}, ""),
    ],
    ids=["of another host", "expired", "trusted"],
)
def test_the_bundle_of_the_environment_is_used(
    authority, tmp_path, variable, names, settings, reason
) -> None:
    import datetime

    known = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(known))
    if settings:
        past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)
        settings = {"not_before": past - datetime.timedelta(days=2), "not_after": past}
    with _server(_tls(authority, *names, **settings)) as port:
        url = f"https://127.0.0.1:{port}"
        if not reason:
            assert ["AuthError"] * 2 == [kind for kind, *_ in _tried(tmp_path, url, {variable: str(known)})]
            return
        found = _tried(tmp_path, url, {variable: str(known)})

    for kind, words, _ in found:
        assert "TransportError" == kind
        assert reason in words


def _garbage(folder: Path) -> str:
    (folder / "garbage.pem").write_text("no certificate\n")
    return str(folder / "garbage.pem")


FILES: dict[str, tuple[dict[str, Callable[[Path], str]], str]] = {
    "missing": ({"SSL_CERT_FILE": lambda it: f"{it}/none.pem"}, "none.pem: no such file or directory"),
    "garbage": ({"SSL_CERT_FILE": _garbage}, "garbage.pem: it holds no certificates in PEM form"),
    "missing bundle": ({"REQUESTS_CA_BUNDLE": lambda it: f"{it}/none.pem"}, "none.pem: no such file"),
    "missing bundle of curl": ({"CURL_CA_BUNDLE": lambda it: f"{it}/none.pem"}, "none.pem: no such file"),
    "missing folder": ({"SSL_CERT_DIR": lambda it: f"{it}/none"}, "none: no such file or directory"),
    "key log": ({"SSLKEYLOGFILE": lambda it: f"{it}/none/keys"}, "keys: no such file or directory"),
}


@pytest.mark.parametrize(("variables", "words"), FILES.values(), ids=FILES)
def test_a_file_of_certificates_that_cannot_be_used_names_its_variable(tmp_path, variables, words) -> None:
    environment = {name: make(tmp_path) for name, make in variables.items()}

    for kind, told, _ in _tried(tmp_path, "https://127.0.0.1:9", environment):
        assert "ConfigError" == kind
        assert next(iter(variables)) in told
        assert words in told


def test_http_where_tls_is_due_is_final(tmp_path) -> None:
    with _server(_says(b"400 Bad Request")) as port:
        found = _tried(tmp_path, f"https://127.0.0.1:{port}", {}, number=30)

    for kind, words, seconds in found:
        assert "TransportError" == kind
        assert f"no encrypted connection to 127.0.0.1:{port} (" in words
        assert seconds < 4


ANSWERS = {
    b"407 Proxy Authentication Required": "refuses to connect to example.test (407 Proxy Authentication Required)",
    b"403 Forbidden": "refuses to connect to example.test (403 Forbidden)",
    b"502 Bad Gateway": "cannot connect to the proxy 127.0.0.1:{} (502 Bad Gateway)",
    b"999 " + PASSWORD.encode(): "cannot connect to the proxy 127.0.0.1:{} (999)",
}


@pytest.mark.parametrize(("answer", "words"), ANSWERS.items(), ids=lambda value: str(value)[:12])
def test_what_a_proxy_answers_is_named(tmp_path, answer, words) -> None:
    with _server(_says(answer)) as port:
        environment = {"HTTPS_PROXY": f"http://user:{PASSWORD}@127.0.0.1:{port}"}
        found = _tried(tmp_path, "https://example.test", environment, number=30)

    for kind, told, seconds in found:
        assert "TransportError" == kind
        assert words.format(port) in told
        assert f"the proxy 127.0.0.1:{port}" in told
        assert seconds < 8


@pytest.mark.parametrize(
    "serve", [lambda it: it.recv(9999), lambda it: it.recv(9999) and it.sendall(b"SSH-2.0-x\r\n" * 9)]
)
def test_a_proxy_that_speaks_something_else_is_named(tmp_path, serve) -> None:
    with _server(serve) as port:
        found = _tried(tmp_path, "https://example.test", {"HTTPS_PROXY": f"127.0.0.1:{port}"})

    for kind, told, seconds in found:
        assert "TransportError" == kind
        assert f"cannot connect to the proxy 127.0.0.1:{port}" in told
        assert seconds < 10


def test_a_proxy_that_is_not_there_is_named(tmp_path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for kind, told, seconds in _tried(tmp_path, "https://example.test", {"https_proxy": f"127.0.0.1:{port}"}):
        assert "TransportError" == kind
        assert f"cannot connect to the proxy 127.0.0.1:{port} (connection refused)" in told
        assert seconds < 8


@pytest.mark.parametrize(
    "proxy",
    [
        f"ftp://user:{PASSWORD}@proxy:21",
        f"socks5://user:{PASSWORD}@proxy:1080",
        f"http://user:{PASSWORD}#x@proxy:8080",
        f"http://user:{PASSWORD}@proxy:99999",
        f"http://user:{PASSWORD}@[::1:8080",
        "http://",
        "http://:8080",
    ],
    ids=["ftp", "socks without its package", "a sharp", "port", "bracket", "no host", "port only"],
)
def test_a_proxy_that_cannot_be_one_is_refused(tmp_path, proxy) -> None:
    for kind, told, _ in _tried(tmp_path, "https://example.test", {"HTTPS_PROXY": proxy}):
        assert "ConfigError" == kind
        assert "HTTPS_PROXY" in told


def test_no_view_of_a_client_shows_the_password_of_a_proxy(monkeypatch) -> None:
    from volc_dashscope import Client

    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:9")
    client = Client("text-embedding-v4", api_key="k", base_url="https://example.test", max_retries=0)
    with pytest.raises(Exception, match=r"the proxy 127\.0\.0\.1:9"):
        client.embed(["a"])

    seen, waiting = [], [client]
    for _ in range(4):
        waiting = [value for it in waiting for value in getattr(it, "__dict__", {}).values()]
        seen += [repr(value) for value in waiting]
    assert not [
        text for text in [repr(client), *seen] if PASSWORD in text and not text.startswith("environ(")
    ]

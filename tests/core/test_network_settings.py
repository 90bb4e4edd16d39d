"""Certificates and proxies that are set up wrong: final errors of our tree that name the setting, never a password."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import forked
import pytest
import trustme
from tcp_server import tcp_server

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "canary-pass"
_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

# A process for each set-up, since whom to trust is read once a process.
SCRIPT = """
import asyncio, json, sys, time
from concurrent.futures import ThreadPoolExecutor
from volc_dashscope import AsyncClient, BulkError, Client

reach = {"model": "text-embedding-v4", "api_key": "k", "base_url": sys.argv[1]}
items = [f"text {each}" for each in range(int(sys.argv[2]))]

def sync():
    with Client(**reach) as client:
        client.embed(items)

async def task():
    async with AsyncClient(**reach) as client:
        await client.embed(items)

def outcome(way):
    began = time.monotonic()
    try:
        way()
    except Exception as error:
        found = error.__cause__ if isinstance(error, BulkError) else error
        return [type(found).__name__, str(found), time.monotonic() - began]
    return ["done", "", 0]

with ThreadPoolExecutor(2) as pool:  # at once, because both mostly wait
    for found in pool.map(outcome, (sync, lambda: asyncio.run(task()))):
        print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def tried() -> Callable[..., list[Any]]:
    """Return a function that says what `Client` and `AsyncClient` make of an address and variables."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name not in _VARIABLES
    }

    def ask(url: str, environment: dict[str, str], number: int = 1) -> list[Any]:
        environ = {**clean, "PYTHONPATH": str(ROOT), **environment}
        process = forked.start(SCRIPT, url, number, folder=ROOT, environ=environ)
        out, err = process.communicate(timeout=60)
        assert PASSWORD not in out
        assert ("", 0) == (err, process.returncode)
        return [json.loads(line) for line in out.splitlines()]

    return ask


def _server(serve: Callable[[socket.socket], object]) -> AbstractContextManager[int]:
    return tcp_server(lambda connection, _: serve(connection))


def _says(line: bytes) -> Callable[[socket.socket], object]:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % line)

    return serve


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _read_request(connection: socket.socket) -> None:
    """Read head and body: a connection closed with unread bytes is reset, and its reply may be lost."""
    head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    length = next(
        (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0"
    )
    left = int(length.partition(b":")[2]) - len(body)
    while left > 0 and (piece := connection.recv(65536)):
        left -= len(piece)


def _tls(authority: trustme.CA, *names: str, **settings: Any) -> Callable[[socket.socket], object]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, **settings).configure_cert(context)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            _read_request(secured)
            secured.sendall(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")

    return serve


def test_a_certificate_nobody_vouches_for_is_final_at_once(authority, tried) -> None:
    with _server(_tls(authority, "127.0.0.1")) as port:
        found = tried(f"https://127.0.0.1:{port}", {}, number=30)

    for kind, words, seconds in found:
        assert "TransportError" == kind
        assert f"the certificate of 127.0.0.1:{port} is not trusted (" in words
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
    authority, tried, tmp_path, variable, names, settings, reason
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
            assert ["AuthError"] * 2 == [kind for kind, *_ in tried(url, {variable: str(known)})]
            return
        found = tried(url, {variable: str(known)})

    for kind, words, _ in found:
        assert "TransportError" == kind
        assert reason in words


def _garbage(folder: Path) -> str:
    (folder / "garbage.pem").write_text("no certificate\n")
    return str(folder / "garbage.pem")


def _folder(folder: Path) -> str:
    """Return a folder with a certificate whose name is not its hash, under which alone it is looked up."""
    trustme.CA().cert_pem.write_to_path(str(folder / "authority.pem"))
    return str(folder)


FILES: dict[str, tuple[dict[str, Callable[[Path], str]], str]] = {
    "missing": ({"SSL_CERT_FILE": lambda it: f"{it}/none.pem"}, "none.pem: no such file or directory"),
    "garbage": ({"SSL_CERT_FILE": _garbage}, "garbage.pem: it contains no certificates in PEM format"),
    "missing bundle": ({"REQUESTS_CA_BUNDLE": lambda it: f"{it}/none.pem"}, "none.pem: no such file"),
    "missing bundle of curl": ({"CURL_CA_BUNDLE": lambda it: f"{it}/none.pem"}, "none.pem: no such file"),
    "folder": ({"SSL_CERT_FILE": _folder}, "the folder has no certificate named by its hash"),
    "folder as bundle": (
        {"REQUESTS_CA_BUNDLE": _folder},
        "the folder has no certificate named by its hash",
    ),
    "folder not hashed": ({"SSL_CERT_DIR": _folder}, "the folder has no certificate named by its hash"),
    "missing folder": ({"SSL_CERT_DIR": lambda it: f"{it}/none"}, "none: no such file or directory"),
    "key log": ({"SSLKEYLOGFILE": lambda it: f"{it}/none/keys"}, "keys: no such file or directory"),
}


@pytest.mark.parametrize(("variables", "words"), FILES.values(), ids=FILES)
def test_a_file_of_certificates_that_cannot_be_used_names_its_variable(
    tried, tmp_path, variables, words
) -> None:
    environment = {name: make(tmp_path) for name, make in variables.items()}

    for kind, message, _ in tried("https://127.0.0.1:9", environment):
        assert "ConfigError" == kind
        assert next(iter(variables)) in message
        assert words in message


def test_an_empty_variable_of_certificates_is_as_if_it_were_not_set(authority, tried, tmp_path) -> None:
    known = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(known))
    with _server(_tls(authority, "127.0.0.1")) as port:
        url = f"https://127.0.0.1:{port}"
        unknown = tried(url, {"SSL_CERT_FILE": ""})
        trusted = tried(url, {"SSL_CERT_FILE": "", "CURL_CA_BUNDLE": str(known)})

    assert ["AuthError"] * 2 == [kind for kind, *_ in trusted]
    for kind, words, seconds in unknown:
        assert "TransportError" == kind
        assert f"the certificate of 127.0.0.1:{port} is not trusted (" in words
        assert seconds < 4


def test_folders_of_certificates_under_their_hashes_are_used(authority, tried, tmp_path) -> None:
    empty, folder = tmp_path / "empty", tmp_path / "folder"
    empty.mkdir()
    folder.mkdir()
    known = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(known))
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
    environments = [
        {"SSL_CERT_FILE": str(folder)},
        {"SSL_CERT_DIR": str(folder)},
        {"SSL_CERT_DIR": f"{empty}{os.pathsep}{folder}"},
    ]
    with _server(_tls(authority, "127.0.0.1")) as port:
        found = [tried(f"https://127.0.0.1:{port}", environment) for environment in environments]

    assert [["AuthError"] * 2] * 3 == [[kind for kind, *_ in each] for each in found]


def test_http_where_tls_is_due_is_final(tried) -> None:
    with _server(_says(b"400 Bad Request")) as port:
        found = tried(f"https://127.0.0.1:{port}", {}, number=30)

    for kind, words, seconds in found:
        assert "TransportError" == kind
        assert f"TLS handshake with 127.0.0.1:{port} failed (" in words
        assert seconds < 4


ANSWERS = {
    b"407 Proxy Authentication Required": "refused to connect to example.test (407 Proxy Authentication Required)",
    b"403 Forbidden": "refused to connect to example.test (403 Forbidden)",
    b"503 Service Unavailable": "cannot connect to the proxy 127.0.0.1:{} (503 Service Unavailable)",
    b"502 Bad Gateway": "cannot connect to the proxy 127.0.0.1:{} (502 Bad Gateway)",
    b"999 " + PASSWORD.encode(): "cannot connect to the proxy 127.0.0.1:{} (999)",
}


@pytest.mark.parametrize(("answer", "words"), ANSWERS.items(), ids=lambda value: str(value)[:12])
def test_what_a_proxy_answers_is_named(tried, answer, words) -> None:
    with _server(_says(answer)) as port:
        environment = {"HTTPS_PROXY": f"http://user:{PASSWORD}@127.0.0.1:{port}"}
        found = tried("https://example.test", environment, number=30)

    for kind, message, seconds in found:
        assert "TransportError" == kind
        assert words.format(port) in message
        assert f"the proxy 127.0.0.1:{port}" in message
        assert seconds < 8


PAGE = b"<html><body>Please log in, user:" + PASSWORD.encode() + b"</body></html>"


@pytest.mark.parametrize("pause", [0, 0.2], ids=["at once", "later"])
@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden"])
def test_a_proxy_that_answers_with_a_page_is_named(tried, status, pause) -> None:
    asked = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).split()[0])
        head = b"HTTP/1.1 %b\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n" % (status, len(PAGE))
        connection.sendall(head if pause else head + PAGE)
        if pause:
            time.sleep(pause)
            connection.sendall(PAGE)

    with _server(serve) as port:
        environment = {"HTTPS_PROXY": f"http://user:{PASSWORD}@127.0.0.1:{port}"}
        found = tried("https://example.test", environment)

    assert {b"CONNECT"} == set(asked)
    assert len(asked) <= 6  # three by the client, three by the async one
    for kind, message, seconds in found:
        assert "TransportError" == kind
        assert f"the proxy 127.0.0.1:{port}" in message
        assert "exec format" not in message  # the system's word for the TLS library's number
        assert seconds < 8


@pytest.mark.parametrize("status", [502, 503])
def test_a_proxy_that_cannot_connect_is_asked_three_times(tried, status) -> None:
    asked = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).split()[0])
        connection.sendall(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % status)

    with _server(serve) as port:
        tried("https://example.test", {"HTTPS_PROXY": f"127.0.0.1:{port}"})

    assert [b"CONNECT"] * 6 == asked  # three by the client, three by the async one


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("secured", [True, False], ids=["https", "http"])
def test_the_proxy_for_all_schemes_is_used_and_named(tried, variable, secured) -> None:
    asked = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).split(b"\r\n")[0])
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    with _server(serve) as port:
        environment = {variable: f"http://user:{PASSWORD}@127.0.0.1:{port}"}
        scheme = "https" if secured else "http"
        found = tried(f"{scheme}://example.test", environment)

    if secured:
        assert [b"CONNECT example.test:443 HTTP/1.1"] * 2 == asked
    else:
        assert [] == asked  # a key over http is refused before anything is sent
    for kind, message, seconds in found:
        assert ("TransportError" if secured else "ConfigError") == kind
        assert f"the proxy 127.0.0.1:{port} refused" in message if secured else "https://" in message
        assert not secured or "check HTTPS_PROXY, ALL_PROXY and NO_PROXY" in message
        assert seconds < 4


@pytest.mark.parametrize(
    ("exceptions", "through"),
    [
        ("example.test:8443", False),
        (".test:8443", False),
        ("example.test:443", True),
        ("other.test, example.test", False),
        ("*", False),
        ("*.test", False),
        ("*.example.test", True),
        ("other.test example.test", False),
        (" .other.test  *.test ", False),
        ("203.0.113.0/24", True),
    ],
)
def test_the_exceptions_of_a_proxy_may_name_ports(tried, exceptions, through) -> None:
    asked = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).split(b"\r\n")[0])
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    with _server(serve) as port:
        environment = {"HTTPS_PROXY": f"127.0.0.1:{port}", "NO_PROXY": exceptions}
        found = tried("https://example.test:8443", environment)

    assert through is bool(asked)
    for kind, message, _ in found:
        assert "TransportError" == kind
        assert through is ("the proxy" in message)


def test_a_proxy_that_is_meant_to_be_encrypted_and_is_not_is_named(tried) -> None:
    with _server(_says(b"400 Bad Request")) as port:
        environment = {"HTTPS_PROXY": f"https://user:{PASSWORD}@127.0.0.1:{port}"}
        found = tried("https://example.test", environment)

    for kind, message, seconds in found:
        assert "TransportError" == kind
        assert f"through the proxy 127.0.0.1:{port}" in message
        assert seconds < 4


def test_the_certificate_of_a_proxy_is_judged_by_the_bundle_of_the_environment(
    authority, tried, tmp_path
) -> None:
    known = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(known))
    with _server(_tls(authority, "127.0.0.1")) as port:
        proxy = {"HTTPS_PROXY": f"https://127.0.0.1:{port}"}
        unknown = tried("https://example.test", proxy)
        trusted = tried("https://example.test", {**proxy, "SSL_CERT_FILE": str(known)})

    for kind, message, _ in unknown:
        assert "TransportError" == kind
        assert f"through the proxy 127.0.0.1:{port} is not trusted (" in message
    for kind, message, _ in trusted:
        assert "TransportError" == kind
        assert f"the proxy 127.0.0.1:{port} refused to connect to example.test (401 Unauthorized)" in message


@pytest.mark.parametrize(
    "serve", [lambda it: it.recv(9999), lambda it: it.recv(9999) and it.sendall(b"SSH-2.0-x\r\n" * 9)]
)
def test_a_proxy_that_speaks_something_else_is_named(tried, serve) -> None:
    with _server(serve) as port:
        found = tried("https://example.test", {"HTTPS_PROXY": f"127.0.0.1:{port}"})

    for kind, message, seconds in found:
        assert "TransportError" == kind
        assert f"cannot connect to the proxy 127.0.0.1:{port}" in message
        assert seconds < 10


def test_a_proxy_that_is_not_there_is_named(tried) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for kind, message, seconds in tried("https://example.test", {"https_proxy": f"127.0.0.1:{port}"}):
        assert "TransportError" == kind
        assert f"cannot connect to the proxy 127.0.0.1:{port} (connection refused)" in message
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
        f"http://user:{PASSWORD}@proxy..corp:8080",
        f"http://user:{PASSWORD}@{'p' * 64}.corp:8080",
    ],
    ids=[
        "ftp",
        "socks without its package",
        "a sharp",
        "port",
        "bracket",
        "no host",
        "port only",
        "an empty label",
        "a long label",
    ],
)
def test_a_proxy_that_cannot_be_one_is_refused(tried, proxy) -> None:
    for kind, message, _ in tried("https://example.test", {"HTTPS_PROXY": proxy}):
        assert "ConfigError" == kind
        assert "HTTPS_PROXY" in message


@pytest.mark.parametrize(
    "proxy",
    [f"socks://user:{PASSWORD}@127.0.0.1:1080", f"socks5://user:{PASSWORD}@127.0.0.1:1080"],
    ids=["another name for it", "without its package"],
)
def test_the_message_of_a_socks_proxy_that_cannot_be_used_says_what_works(tried, proxy) -> None:
    for kind, message, _ in tried("https://example.test", {"ALL_PROXY": proxy}):
        assert "ConfigError" == kind
        assert "ALL_PROXY" in message
        assert "socks5://host:port with httpx[socks]" in message


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

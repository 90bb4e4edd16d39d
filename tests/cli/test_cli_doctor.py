"""`volc-dashscope doctor`: each trouble is one line that says what to do, and no line holds a key."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from canary import KEY
from cli_runs import Run, ended, run, started

from volc_dashscope.cli._checks import CORE, EXTRAS, Package

ROOT = Path(__file__).resolve().parents[2]


def seen(done: Run, about: str) -> tuple[str, str]:
    """Return state and words of one finding."""
    found = [finding for finding in done.json["findings"] if finding["about"] == about]
    assert 1 == len(found), done.out
    return found[0]["state"], found[0]["words"]


def test_all_is_well_is_exit_0_and_sends_nothing(cli, services):
    done = cli("doctor")

    assert 0 == done.code
    assert "nothing to fix" in done.err
    assert [] == [line for line in done.out.splitlines() if line.startswith("FIX")]
    assert [] == list(services.ledger)
    assert KEY not in done.out + done.err


def test_a_request_is_sent_only_when_asked_for(cli, services):
    done = cli("doctor", "--send-request", "--json")

    assert 0 == done.code
    assert " billed" in seen(done, "ark request")[1]
    assert ["ok", "ok"] == services.ledger.texts


def test_a_refused_request_is_explained_in_the_librarys_words(cli, services):
    services.fail("401")

    done = cli("doctor", "--provider", "ark", "--send-request", "--json")

    assert 1 == done.code
    assert "fix" == seen(done, "ark request")[0]
    assert 1 == len(services.ledger)


def test_no_key_at_all_is_to_fix_and_one_is_enough(cli, services, monkeypatch):
    monkeypatch.delenv("ARK_API_KEY")
    one = cli("doctor", "--json")
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    none = cli("doctor", "--json")

    assert (0, "note") == (one.code, seen(one, "ark key")[0])
    assert (1, 1) == (none.code, none.json["fixes"])
    assert "ARK_API_KEY or DASHSCOPE_API_KEY" in seen(none, "keys")[1]


def test_the_key_of_a_service_that_is_asked_for_is_needed(cli):
    done = cli("doctor", "--provider", "ark", "--offline", "--json")

    assert (1, "fix") == (done.code, seen(done, "ark key")[0])


SPOILT = {
    "quotes": (f'"{KEY}"', "remove them"),
    "a placeholder": ("your-api-key", "placeholder"),
    "an unset variable": ("${ARK_KEY_VARIABLE}", "an unexpanded variable"),
    "half of it": ("sk-0123", "copy the whole key"),
    "a scheme": (f"Bearer {KEY}", "starts with Bearer"),
    "another alphabet": (f"{KEY}密钥", "contains a Chinese character"),
}


@pytest.mark.parametrize(("key", "words"), SPOILT.values(), ids=SPOILT.keys())
def test_a_spoilt_key_is_reported_and_not_shown(cli, monkeypatch, key, words):
    monkeypatch.setenv("ARK_API_KEY", key)

    done = cli("doctor", "--offline", "--json")
    printed = cli("doctor", "--offline")

    state, said = seen(done, "ark key")
    assert (1, "fix") == (done.code, state)
    assert words in said
    for part in (key, KEY, KEY[:8], KEY[-6:]):
        assert part not in done.out + done.err + printed.out + printed.err


def test_a_host_that_does_not_listen_is_to_fix(cli, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        monkeypatch.setenv("ARK_API_KEY", KEY)
        monkeypatch.setenv("ARK_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/api/v3")
        done = cli("doctor", "--provider", "ark", "--json")

    state, words = seen(done, "ark connection")
    assert (1, "fix") == (done.code, state)
    assert "nothing listens at 127.0.0.1:" in words


def test_a_silent_host_is_given_up_in_time(cli, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("ARK_API_KEY", KEY)
        # A proxy that accepts and never answers.
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        done = cli("doctor", "--provider", "ark", "--timeout", 0.3, "--json")

    state, words = seen(done, "ark connection")
    assert (1, "fix") == (done.code, state)
    assert "did not answer within 0.3 s: check the firewall, or correct HTTPS_PROXY" in words


def test_a_silent_server_is_named_with_its_port(cli, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("ARK_API_KEY", KEY)
        monkeypatch.setenv("ARK_BASE_URL", f"https://{place}/api/v3")  # TLS that is never answered
        done = cli("doctor", "--provider", "ark", "--timeout", 0.3, "--json")

    assert f"{place} did not answer within 0.3 s" in seen(done, "ark connection")[1]


def test_a_proxy_that_does_not_speak_http_is_named_by_its_variable(cli, monkeypatch):
    monkeypatch.setenv("ARK_API_KEY", KEY)
    with proxy(b"SSH-2.0-x\r\n") as (place, _):
        monkeypatch.setenv("ALL_PROXY", f"http://{place}")
        done = cli("doctor", "--provider", "ark", "--json")

    assert "correct ALL_PROXY" in seen(done, "ark connection")[1]


@contextmanager
def proxy(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Listen as a proxy that gives one answer."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(10)
                heard.append(connection.recv(65536))
                connection.sendall(answer)

        worker = threading.Thread(target=serve)
        worker.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", heard
        worker.join(10)


def test_a_proxy_is_used_and_shown_without_its_password(cli, monkeypatch):
    monkeypatch.setenv("ARK_API_KEY", KEY)
    with proxy(b"HTTP/1.1 403 Forbidden\r\n\r\n") as (place, heard):
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@{place}")
        done = cli("doctor", "--provider", "ark", "--json")

    assert heard[0].startswith(b"CONNECT ark.cn-beijing.volces.com:443 ")
    assert KEY.encode() not in heard[0]
    assert ("ok", f"http://{place}, from HTTPS_PROXY") == seen(done, "ark proxy")
    assert "through the proxy" in seen(done, "ark connection")[1]
    assert "secret" not in done.out + done.err


def test_the_words_a_proxy_chooses_are_not_repeated(cli, monkeypatch):
    """It may choose the password it was sent."""
    monkeypatch.setenv("ARK_API_KEY", KEY)
    with proxy(b"HTTP/1.1 407 user:secret is wrong\r\n\r\n") as (place, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@{place}")
        done = cli("doctor", "--provider", "ark", "--json")

    state, words = seen(done, "ark connection")
    assert "fix" == state
    assert (
        f"the proxy {place} to ark.cn-beijing.volces.com: it refused with 407 Proxy Authentication" in words
    )
    assert "check HTTPS_PROXY" in words
    assert "secret" not in done.out + done.err


@pytest.mark.parametrize("trusted", [True, False])
def test_a_proxy_behind_tls_is_spoken_to_as_clients_do(tmp_path, trusted):
    """In a process of its own, since whom to trust is read once."""
    authority, asked = trustme.CA(), []
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(20)

        def serve() -> None:
            with suppress(OSError), context.wrap_socket(server.accept()[0], server_side=True) as secured:
                asked.append(secured.recv(65536).split(b"\r\n")[0])
                secured.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

        worker = threading.Thread(target=serve)
        worker.start()
        place = f"127.0.0.1:{server.getsockname()[1]}"
        variables = {"ARK_API_KEY": KEY, "HTTPS_PROXY": f"https://{place}", "NO_PROXY": ""}
        if trusted:
            variables["SSL_CERT_FILE"] = str(tmp_path / "authority.pem")
        done = run("doctor", "--provider", "ark", "--json", folder=tmp_path, **variables)
        worker.join(20)

    state, words = seen(done, "ark connection")
    if trusted:
        assert ("ok", [b"CONNECT ark.cn-beijing.volces.com:443 HTTP/1.1"]) == (state, asked)
    else:
        assert "fix" == state
        assert f"through the proxy {place} is not trusted (" in words


def test_certificates_that_cannot_be_used_are_to_fix(tmp_path):
    """Nothing is said beside the finding, and nobody waits for the time to run out."""
    variables = {"ARK_API_KEY": KEY, "SSL_CERT_FILE": str(tmp_path / "none.pem"), "HTTPS_PROXY": ""}
    done = run("doctor", "--provider", "ark", "--json", folder=tmp_path, **variables)

    words = f"SSL_CERT_FILE cannot be used: {tmp_path}/none.pem: no such file or directory"
    assert (("fix", words), "") == (seen(done, "ark connection"), done.err)


def test_http_where_tls_is_due_is_to_fix(cli, monkeypatch):
    monkeypatch.setenv("ARK_API_KEY", KEY)
    with proxy(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (place, _):
        monkeypatch.setenv("ARK_BASE_URL", f"https://{place}/api/v3")
        done = cli("doctor", "--provider", "ark", "--json")

    words = f"TLS handshake with {place} failed (wrong version number): check the base URL and the proxy"
    assert ("fix", words) == seen(done, "ark connection")


WRONG_PLACES: dict[str, tuple[dict[str, str], tuple[str, ...], str, str]] = {
    "plain http": ({"ARK_BASE_URL": "http://ark.example"}, (), "ark host", "https://"),
    "credentials": (
        {"ARK_BASE_URL": "https://a:secret@ark.example"},
        (),
        "ark host",
        "a user name or a password",
    ),
    "region": ({}, ("--region", "mars"), "ark host", "known are "),
    "proxy": (
        {"HTTPS_PROXY": "ftp://x"},
        (),
        "ark proxy",
        "HTTPS_PROXY is not a proxy URL: use http://host:port or socks5://host:port",
    ),
    "proxy for all schemes": (
        {"ALL_PROXY": "socks://u:secret@127.0.0.1:1080"},
        (),
        "ark proxy",
        "ALL_PROXY is not a proxy URL: use http://host:port or socks5://host:port",
    ),
    "proxy with a path": (
        {"HTTPS_PROXY": "http://u:secret@127.0.0.1:80/path"},
        (),
        "ark proxy",
        "HTTPS_PROXY is not a proxy URL",
    ),
    "proxy of no possible name": (
        {"HTTPS_PROXY": "http://u:secret@proxy..corp:80"},
        (),
        "ark proxy",
        "HTTPS_PROXY is not a proxy URL",
    ),
    "proxy in small letters": ({"all_proxy": "http://[::1"}, (), "ark proxy", "all_proxy is not a proxy URL"),
    "a proxy beside one for all schemes": (
        {"ALL_PROXY": "http://127.0.0.1:1", "https_proxy": "http://:0"},
        (),
        "ark proxy",
        "https_proxy is not a proxy URL",
    ),
}


@pytest.mark.parametrize(
    ("variables", "options", "about", "words"), WRONG_PLACES.values(), ids=WRONG_PLACES.keys()
)
def test_a_wrong_place_is_to_fix(cli, monkeypatch, variables, options, about, words):
    for name, value in {"ARK_API_KEY": KEY, **variables}.items():
        monkeypatch.setenv(name, value)

    done = cli("doctor", "--provider", "ark", "--offline", "--json", *options)

    state, said = seen(done, about)
    assert (1, "fix") == (done.code, state)
    assert words in said
    assert "secret" not in done.out + done.err


def test_settings_of_one_service_need_its_name(cli):
    assert (2, "--provider") == (
        (done := cli("doctor", "--region", "cn-beijing")).code,
        done.err.splitlines()[0].split()[-1],
    )


def test_versions_are_listed_and_what_is_not_installed(cli):
    done = cli("doctor", "--offline", "--json")

    assert ("ok", "httpx") == (seen(done, "packages")[0], seen(done, "packages")[1].split()[0])
    assert "pyarrow" in seen(done, "extra bulk")[1]


def test_what_is_not_installed_is_a_note_and_what_does_not_fit_is_to_fix(tmp_path):
    """Distributions are looked up as Python does it: here in a folder of their own."""
    for name, version in (
        ("langchain-core", "0.3.1"),
        ("httpx", "0.28.1"),
        ("numpy", "2.0"),
        ("orjson", "3.10"),
        ("click", "8.1"),
        ("wcwidth", "0.2.13"),
    ):
        place = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        place.mkdir()
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    program = (
        "import sys, click, numpy, httpx, orjson, volc_dashscope.cli._doctor\n"
        "from volc_dashscope.cli._app import app\n"
        f"sys.path[:] = [{str(tmp_path)!r}]\n"
        "app(['doctor', '--offline', '--json'])"
    )

    done = ended(started(code=program, folder=tmp_path))

    assert ("fix", 'langchain-core 0.3.1 does not fit: pip install "langchain-core>=1.0,<2"') == seen(
        done, "extra langchain"
    )
    assert ("note", 'not installed: pip install "volc-dashscope[ray]"') == seen(done, "extra ray")
    assert "ok" == seen(done, "packages")[0]


def test_the_packages_it_knows_are_those_of_the_project():
    """Bounds of the extras are written twice, because a checkout has no metadata."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {name: wanted for name, wanted in project["optional-dependencies"].items() if name != "all"}

    assert list(map(_package, project["dependencies"])) == list(CORE)
    assert {
        name: [_package(text) for text in wanted if not text.startswith("volc-dashscope")]
        for name, wanted in extras.items()
    } == {name: list(packages) for name, packages in EXTRAS.items()}


def _package(text: str) -> Package:
    found: Any = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)(?:,<([\d.]+))?", text)
    return Package(found[1], found[2], found[3] or "")

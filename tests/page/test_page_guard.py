"""What the page keeps to itself: other hosts, other pages, other files."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
from importlib.resources import files
from pathlib import Path

import pytest
import uvicorn
from canary import KEY
from paintings import MP4, fill, shaped
from shelf_samples import embedded

from volc_dashscope.search.page import create_app
from volc_dashscope.search.page._app import language_of

PATHS = ["/", "/static/page.css", "/api/album", "/thumb/0", "/file/0"]


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
def test_every_reply_carries_the_headers(page, path):
    headers = page.get(path).headers

    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert ("nosniff", "DENY") == (headers["x-content-type-options"], headers["x-frame-options"])
    assert "same-origin" == headers["cross-origin-resource-policy"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8766",
        "127.0.0.1.evil.example",
        "[::1",
        "",
        "0.0.0.0:8766",
        "evil@127.0.0.1",
        "127.0.0.1:8766@evil",
        "127.0.0.1/x",
        "127.0.0.1:8766, evil",
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_a_name_that_was_pointed_here_is_turned_away(page, host, path):
    """DNS rebinding: the browser sends the stranger's own name."""
    reply = page.get(path, headers={"Host": host})

    assert 403 == reply.status_code
    assert "127.0.0.1" in reply.json()["error"]


@pytest.mark.parametrize("parser", ["h11", "httptools"])
@pytest.mark.parametrize(
    "hosts",
    [["evil@127.0.0.1"], ["127.0.0.1", "evil.example"], ["evil.example", "127.0.0.1"], ["127.0.0.1"] * 2],
)
def test_strange_hosts_are_refused_under_every_http_parser(gallery, parser, hosts):
    _, album, client = gallery
    config = uvicorn.Config(create_app(album, client), http=parser, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        with socket.create_connection(listener.getsockname(), timeout=10) as connection:
            lines = [
                "GET /api/album HTTP/1.1",
                *(f"Host: {host}" for host in hosts),
                "Connection: close",
                "",
                "",
            ]
            connection.sendall("\r\n".join(lines).encode())
            reply = connection.recv(200)
        server.should_exit = True
        thread.join(10)

    assert reply.split()[1] in (b"400", b"403")


@pytest.mark.parametrize("host", ["127.0.0.1:8766", "localhost:8766", "localhost", "LOCALHOST:1"])
def test_this_machine_by_its_names_is_let_in(page, host):
    assert 200 == page.get("/", headers={"Host": host}).status_code


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1:8766"]
)
def test_another_page_cannot_spend_money(page, gallery, origin):
    reply = page.post("/api/search", params={"text": "a paid question"}, headers={"Origin": origin})

    assert (403, 0) == (reply.status_code, len(gallery[0].ledger))


def test_the_page_itself_can(page):
    reply = page.post("/api/search", params={"text": "red"}, headers={"Origin": "http://127.0.0.1:8766"})

    assert 200 == reply.status_code


@pytest.mark.parametrize(
    ("said", "foreign"),
    [(None, False), ("none", False), ("same-origin", False), ("same-site", True), ("cross-site", True)],
)
def test_a_page_that_another_site_opens_is_marked(page, said, foreign):
    """It shows the search of its URL without sending it."""
    html = page.get("/?text=paid", headers={} if said is None else {"Sec-Fetch-Site": said}).text

    assert foreign == ('<html lang="en" data-opened>' in html)


def test_a_search_is_never_a_get(page, gallery):
    assert (405, 0) == (page.get("/api/search", params={"text": "x"}).status_code, len(gallery[0].ledger))


def place_of(page, name):
    return next(
        place for place, entry in enumerate(page.get("/api/album").json()["entries"]) if entry["name"] == name
    )


def test_files_come_as_what_they_are(page):
    picture = page.get(f"/file/{place_of(page, 'red_square.png')}")
    video = page.get(f"/file/{place_of(page, 'clip.mp4')}")

    assert ("image/png", shaped("red", "square")) == (picture.headers["content-type"], picture.content)
    assert ("video/mp4", MP4, "3000") == (
        video.headers["content-type"],
        video.content,
        video.headers["content-length"],
    )


RANGES = {
    "begin": ("bytes=0-3", 206, slice(0, 4), "bytes 0-3/3000"),
    "middle": ("bytes=100-199", 206, slice(100, 200), "bytes 100-199/3000"),
    "open": ("bytes=2990-", 206, slice(2990, 3000), "bytes 2990-2999/3000"),
    "suffix": ("bytes=-5", 206, slice(2995, 3000), "bytes 2995-2999/3000"),
    "beyond": ("bytes=2999-9999", 206, slice(2999, 3000), "bytes 2999-2999/3000"),
}


@pytest.mark.parametrize(("asked", "status", "part", "content_range"), RANGES.values(), ids=RANGES.keys())
def test_a_video_can_be_read_in_parts(page, asked, status, part, content_range):
    reply = page.get(f"/file/{place_of(page, 'clip.mp4')}", headers={"Range": asked})

    assert (status, MP4[part], content_range) == (
        reply.status_code,
        reply.content,
        reply.headers["content-range"],
    )


@pytest.mark.parametrize(
    "asked", ["bytes=3000-", "bytes=5-4", "bytes=-", "lines=1-2", "bytes=-0", "nonsense"]
)
def test_an_impossible_range_is_416(page, asked):
    assert 416 == page.get(f"/file/{place_of(page, 'clip.mp4')}", headers={"Range": asked}).status_code


def test_a_thumbnail_is_small_and_upright(own_page):
    from io import BytesIO

    from PIL import Image

    page, folder = own_page()
    wide = Image.new("RGB", (1600, 800), "red")
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    wide.save(folder / "red_square.png", "PNG", exif=turned)

    reply = page.get(f"/thumb/{place_of(page, 'red_square.png')}")

    assert "image/webp" == reply.headers["content-type"]
    assert (240, 480) == Image.open(BytesIO(reply.content)).size


OUTSIDE = [
    "/file/9",
    "/file/99999999999999999999",
    "/file/-1",
    "/file/../secret",
    "/file/%2e%2e%2fsecret",
    "/static/../_app.py",
    "/static/..%2f_app.py",
    "/static/index.html",
    "/thumb/9",
    "/photos/red_square.png",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_only_entries_of_the_album_have_an_address(page, path):
    assert 404 == page.get(path).status_code


def test_a_file_that_turned_into_a_link_to_the_outside_is_not_followed(own_page, tmp_path):
    page, folder = own_page()
    secret = tmp_path / "secret.png"
    secret.write_bytes(shaped("green", "circle", 77))
    place = place_of(page, "red_square.png")
    (folder / "red_square.png").unlink()
    os.symlink(secret, folder / "red_square.png")

    assert (404, 404) == (page.get(f"/file/{place}").status_code, page.get(f"/thumb/{place}").status_code)


def test_a_link_to_the_outside_is_not_in_the_album(tmp_path):
    from volc_dashscope.emulator import Emulator

    folder = fill(tmp_path / "photos")
    (tmp_path / "secret.png").write_bytes(shaped("green", "circle", 77))
    os.symlink(tmp_path / "secret.png", folder / "link.png")

    album, client = embedded(folder, tmp_path / "store", Emulator())
    client.close()

    assert "outside" in album.left_out["link.png"]
    assert "link.png" not in [entry.name for entry in album.entries]


def test_a_picture_that_turned_into_a_page_is_not_served(own_page):
    page, folder = own_page()
    place = place_of(page, "red_square.png")
    (folder / "red_square.png").write_text("<script>alert(1)</script>")

    assert 404 == page.get(f"/file/{place}").status_code


def test_a_deleted_file_is_reported(own_page):
    page, folder = own_page()
    place = place_of(page, "red_square.png")
    (folder / "red_square.png").unlink()

    reply = page.get(f"/file/{place}")

    assert (404, "the file is no longer in the folder") == (reply.status_code, reply.json()["error"])


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_code(page):
    html = page.get("/").text
    scripts = [
        page.get(f"/static/{name}").text for name in ("page.js", "grid.js", "map.js", "viewer.js", "page.css")
    ]

    assert [] == re.findall(r'(?:src|href)="(?!/|#)', html)
    assert [] == re.findall(r"<script(?![^>]*src=)|<style|style=\"|\son\w+=\"", html)
    assert [] == [
        url for text in scripts for url in re.findall(r"https?://[^\s\"')]+", text) if "w3.org" not in url
    ]
    assert [] == [text[:40] for text in scripts if "innerHTML" in text]


def test_the_key_is_nowhere(page):
    replies = [page.get(path) for path in PATHS] + [page.post("/api/search", params={"text": "red"})]

    assert [] == [reply.url for reply in replies if KEY in reply.text + str(reply.headers)]


LANGUAGES = {
    "chinese": ("zh-CN,zh;q=0.9,en;q=0.8", None, "zh"),
    "english": ("en-GB,en;q=0.9,zh;q=0.3", None, "en"),
    "neither, then chinese": ("fr-FR,zh-TW;q=0.6,en;q=0.5", None, "zh"),
    "none": ("", None, "en"),
    "asked for": ("zh-CN", "en", "en"),
    "nonsense": (";;q=x,*", "xx", "en"),
}


@pytest.mark.parametrize(("accepted", "wanted", "language"), LANGUAGES.values(), ids=LANGUAGES.keys())
def test_the_language_is_the_readers(accepted, wanted, language):
    assert language == language_of(accepted, wanted)


def test_the_page_speaks_chinese(page):
    chinese = page.get("/", headers={"Accept-Language": "zh-CN"})
    english = page.get("/?lang=en", headers={"Accept-Language": "zh-CN"})

    assert '<html lang="zh-CN">' in chinese.text
    assert "搜索" in chinese.text
    assert '<html lang="en">' in english.text


def test_both_languages_have_the_same_words_with_the_same_gaps():
    import json

    words = json.loads(
        files("volc_dashscope.search.page").joinpath("static", "words.json").read_text("utf-8")
    )
    gaps = {
        language: {name: sorted(re.findall(r"\{\w+\}", text)) for name, text in found.items()}
        for language, found in words.items()
    }

    assert gaps["en"] == gaps["zh"]


def test_every_file_of_the_page_is_served_and_used(page):
    folder = Path(str(files("volc_dashscope.search.page"))) / "static"
    sources = "".join(path.read_text("utf-8") for path in folder.iterdir()) + "".join(
        (folder.parent / name).read_text("utf-8") for name in ("_app.py",)
    )

    for path in folder.iterdir():
        reply = page.get("/" if path.name == "index.html" else f"/static/{path.name}")
        assert 200 == reply.status_code
        assert path.name in sources
        if path.name != "index.html":
            assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(reply.content).digest()

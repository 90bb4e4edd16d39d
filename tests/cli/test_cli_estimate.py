"""`volc-dashscope estimate`, and what it shares with `embed --dry-run`."""

from __future__ import annotations

import struct
from base64 import b64decode
from io import BytesIO

import pytest
from paintings import painted
from PIL import Image

MODEL = "text-embedding-v4"


def test_it_says_what_a_dry_run_says_and_sends_nothing(cli, services, tmp_path, monkeypatch):
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    (tmp_path / "t.txt").write_text("".join(f"text {number}\n" for number in range(25)), encoding="utf-8")

    printed = cli("estimate", "t.txt", "-m", MODEL)
    dry = cli("embed", "t.txt", "-m", MODEL, "--dry-run")

    assert (0, printed.out, printed.err) == (dry.code, dry.out, dry.err)
    assert ("25", "3") == tuple(_line(printed.out, name) for name in ("items", "requests"))
    assert "CNY" in _line(printed.out, "price")
    assert [] == list(services.ledger)


def test_a_folder_of_pictures_is_counted_by_their_sizes(cli, tmp_path):
    for name in ("海.png", "b.png"):
        (tmp_path / name).write_bytes(painted("blue", (280, 280)))

    printed = cli("estimate", ".", "-m", "doubao-embedding-vision-251215", "--json").json

    assert ("doubao-embedding-vision-251215", 2, 2, [200, 200]) == (
        printed["model"],
        printed["items"],
        printed["requests"],
        printed["tokens"],
    )


def test_a_folder_of_pictures_is_counted_as_shrunk(cli, tmp_path):
    (tmp_path / "a.png").write_bytes(painted("blue", (560, 560)))

    printed = cli(
        "estimate", ".", "-m", "doubao-embedding-vision-251215", "--max-pixels", 78_400, "--json"
    ).json

    assert [100, 100] == printed["tokens"]


@pytest.mark.parametrize("command", ["embed", "search"])
def test_pictures_are_sent_shrunk(cli, services, tmp_path, command):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(painted("blue", (560, 560)))
    what = ("-o", "out.parquet") if command == "embed" else ("blue",)

    done = cli(command, "pictures", *what, "-m", "doubao-embedding-vision-251215", "--max-pixels", 78_400)

    assert 0 == done.code, done.err
    sent = [part for request in services.ledger.requests for part in request.body["input"]]
    (picture,) = [part["image_url"]["url"] for part in sent if part["type"] == "image_url"]
    assert (280, 280) == Image.open(BytesIO(b64decode(picture.partition(",")[2]))).size


def _mp4(seconds: int) -> bytes:
    header = struct.pack(">II4sIIIII", 108, 100, b"mvhd", 0, 0, 0, 1, seconds).ljust(108, b"\0")
    return b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2" + header[:4] + b"moov" + header[4:]


def test_a_folder_of_videos_is_counted_by_their_lengths(cli, tmp_path):
    (tmp_path / "blink.mp4").write_bytes(_mp4(2))
    (tmp_path / "feature.mp4").write_bytes(_mp4(7200))

    whole = cli("estimate", ".", "-m", "doubao-embedding-vision-251215", "--json").json
    (tmp_path / "unknown.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2")
    partly = cli("estimate", ".", "-m", "doubao-embedding-vision-251215", "--json").json

    exact = 10_240 + 81_920
    assert ([exact, exact], [exact + 10_240, exact + 81_920]) == (whole["tokens"], partly["tokens"])


def test_a_service_without_a_formula_for_videos_says_unknown(cli, tmp_path):
    (tmp_path / "links.jsonl").write_text('{"video": "https://example.com/a.mp4"}\n', "utf-8")

    out = cli("estimate", "links.jsonl", "-m", "qwen3-vl-embedding").out

    assert ("unknown", "unknown") == (_line(out, "tokens"), _line(out, "price"))


@pytest.fixture
def goods(tmp_path):
    """A table without an ending that says so, with its pictures in a folder of their own."""
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.png").write_bytes(painted())
    (tmp_path / "goods").write_text("sku,title,photo\n7,red,a.png\n", "utf-8")
    return (
        "estimate",
        "goods",
        "-m",
        "qwen3-vl-embedding",
        "--format",
        "csv",
        "--media-root",
        "media",
        "--json",
    )


def test_format_and_media_root_are_heeded(cli, goods):
    printed = cli(*goods, "--text-column", "title", "--image-column", "photo", "--id-column", "sku").json

    assert (1, 0, 1) == (printed["rows"], printed["bad"], printed["items"])


@pytest.mark.parametrize("kind", ["text", "image", "video", "id"])
def test_a_column_that_is_asked_for_is_looked_for(cli, goods, kind):
    assert "no column 'colour'" in cli(*goods, f"--{kind}-column", "colour").json["error"]


def test_a_wrong_model_is_one_line_and_exit_2(cli, tmp_path):
    (tmp_path / "t.txt").write_text("text\n")

    done = cli("estimate", "t.txt", "-m", "none")

    assert (2, "") == (done.code, done.out)
    assert 1 == len(done.err.strip().splitlines())
    assert "not in the table" in done.err


def _line(text: str, name: str) -> str:
    return next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(f"{name}:"))


def test_a_price_too_small_to_be_seen_is_unknown_where_it_has_no_end(cli, services, tmp_path):
    fields = '{"text": "a", "image": "https://example.com/a.png"}\n'
    (tmp_path / "t.jsonl").write_text(fields, encoding="utf-8")

    done = cli(
        "estimate", "t.jsonl", "-m", "qwen3-vl-embedding", "--text-column", "text", "--image-column", "image"
    )

    assert 0 == done.code
    assert "at least 0" not in done.out
    assert next(line for line in done.out.splitlines() if line.startswith("price:")).endswith("unknown")

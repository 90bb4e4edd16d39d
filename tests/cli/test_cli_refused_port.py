"""Where nobody listens, a command says so within seconds, with host and cause."""

from __future__ import annotations

import socket
import time

import pytest
from canary import KEY

COMMANDS = {
    "embed": ("embed", "texts.txt", "-o", "out.parquet", "-m", "text-embedding-v4"),
    "search": ("search", "pictures", "shoe", "-m", "qwen3-vl-embedding"),
    "rerank": ("rerank", "pairs.jsonl", "-o", "out.parquet", "-m", "qwen3-rerank"),
    "doctor": ("doctor", "--provider", "dashscope"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_says_who_cannot_be_reached(cli, tmp_path, monkeypatch, command) -> None:
    from PIL import Image

    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    (tmp_path / "texts.txt").write_text("one\ntwo\n")
    (tmp_path / "pairs.jsonl").write_text('{"query": "a", "document": "one"}\n')
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "pictures" / "shoe.png")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("DASHSCOPE_BASE_URL", f"http://{place}")
        began = time.monotonic()
        done = cli(*command)
        took = time.monotonic() - began

    said = done.out + done.err
    assert done.code not in (0, 2)
    assert f"cannot connect to {place} (connection refused)" in said or f"nothing listens at {place}" in said
    assert took < 9.0

"""`volc-dashscope serve` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from paintings import fill

from volc_dashscope.cli._app import app

ROOT = Path(__file__).resolve().parents[2]


def test_it_serves_this_machine_only_until_ctrl_c(tmp_path):
    fill(tmp_path / "photos")
    code = "from volc_dashscope.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "photos", "--emulator", "--port", "0", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        started = json.loads(process.stdout.readline())
        page = httpx.get(started["url"])
        found = httpx.post(f"{started['url']}api/search", params={"text": "红色"}).json()["results"]
        album = httpx.get(f"{started['url']}api/album").json()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait(30)

    assert started["url"].startswith("http://127.0.0.1:")
    assert (9, 200) == (started["files"], page.status_code)
    assert "red" in album["entries"][found[0]["place"]]["name"]
    assert (0, "not by a model", False) == (
        process.returncode,
        "not by a model" if "not by a model" in err else err,
        "Traceback" in err,
    )


def test_a_taken_port_is_one_line(tmp_path):
    fill(tmp_path / "photos")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(app, ["serve", str(tmp_path / "photos"), "--emulator", "--port", str(port)])

    assert 2 == done.exit_code
    assert f"port {port} cannot be used" in done.stderr


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_it_is_named(tmp_path, missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from volc_dashscope.cli import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", code, "serve", ".", "--emulator"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert 2 == done.returncode
    assert 'pip install "volc-dashscope[serve]"' in done.stderr
    assert "Traceback" not in done.stderr

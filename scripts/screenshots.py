"""
Take the pictures of the search page that the docs show: the examples' drawings, searched in headless Chromium.

    python scripts/screenshots.py

Needs the extra `serve`, the dependency group `browser`, and a Chromium on the PATH.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "docs" / "assets"
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
MOST_BYTES = 150_000


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder with stand-in vectors and yield its URL."""
    program = "from volc_dashscope.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", str(folder), "--emulator", "--port", "0", "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def take(browser: Browser, url: str, name: str, *, text: str, picture: Path | None, **window: Any) -> None:
    """Search, and keep what is seen as docs/assets/<name>.webp."""
    context = browser.new_context(**window)
    page = context.new_page()
    page.goto(url)
    page.fill("#text", text)
    if picture is not None:
        page.set_input_files("#file", picture)
    else:
        page.keyboard.press("Enter")
    page.wait_for_selector("#results .score")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)  # the points of the map grow
    keep(page, ASSETS / f"{name}.webp")
    context.close()


def keep(page: Page, path: Path) -> None:
    """Write the picture as small as it has to be."""
    shot = Image.open(io.BytesIO(page.screenshot()))
    for quality in (90, 80, 70, 60):
        shot.save(path, "WEBP", quality=quality, method=6)
        if path.stat().st_size < MOST_BYTES:
            break
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes, quality {quality}")


def main() -> None:
    """Take all three."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next((place for name in names if (place := shutil.which(name))), None)
    if chromium is None:
        sys.exit(f"no Chromium on the PATH: install one of {', '.join(names)}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        subprocess.run(
            [sys.executable, ROOT / "examples" / "draw_pictures.py", folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with served(folder) as url, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
            desk: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
            phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}
            chair = folder / "red_chair.png"
            take(browser, url, "search-light", text="this, but blue", picture=chair, locale="en-US", **desk)
            dark: dict[str, Any] = {**desk, "color_scheme": "dark", "locale": "zh-CN"}
            take(browser, url, "search-dark", text="蓝色海景", picture=None, **dark)
            take(
                browser, url, "search-phone", text="同款，但要蓝色的", picture=chair, locale="zh-CN", **phone
            )
            browser.close()


if __name__ == "__main__":
    main()

"""
The page in a real Chromium, with real clicks: `python -m pytest tests/browser`.

Needs the dependency group `browser` and a Chromium on the PATH.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from paintings import fill
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 15_000


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where a Chromium is."""
    found = next((place for name in NAMES if (place := shutil.which(name))), None)
    if found is None:
        pytest.exit(f"no Chromium on the PATH: install one of {', '.join(NAMES)}", returncode=2)
    return found


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is searched."""
    return fill(tmp_path_factory.mktemp("browser") / "photos")


@contextmanager
def served(folder: Path, *more: str) -> Iterator[str]:
    """Run `volc-dashscope serve FOLDER --emulator` in a process of its own and lend its URL."""
    code = "from volc_dashscope.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", str(folder), "--emulator", "--port", "0", "--json", *more],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield orjson.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGINT)
        process.wait(30)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def url(folder: Path) -> Iterator[str]:
    """The page, in a process of its own."""
    with served(folder) as found:
        yield found


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium with an empty profile, which is removed when it ends."""
    with sync_playwright() as started:
        running = started.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


class Windows:
    """Makes windows on the page, each with cookies and settings of its own, and notes what the browser says."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url = browser, url
        self._opened: list[BrowserContext] = []
        self.complaints: list[str] = []

    def __call__(self, *, locale: str = "en-US", wide: int = 1280, high: int = 900, **settings: Any) -> Page:
        size = {"width": wide, "height": high}
        context = self._browser.new_context(viewport=size, locale=locale, **settings)
        self._opened.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("request", lambda asked: self._look(asked.url))
        page.goto(self._url)
        page.wait_for_selector("#results .card")
        return page

    def close(self) -> None:
        for context in self._opened:
            context.close()

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(text)

    def _look(self, url: str) -> None:
        if not url.startswith((self._url, "data:")):
            self.complaints.append(f"asked for {url}")


@pytest.fixture
def browse(browser: Browser, url: str) -> Iterator[Windows]:
    """A maker of windows on the page; whatever the browser complains of fails the test."""
    windows = Windows(browser, url)
    yield windows
    windows.close()
    assert [] == windows.complaints

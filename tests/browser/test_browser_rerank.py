"""The page of `serve --rerank` under real clicks: both ranks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Windows, served
from playwright.sync_api import Browser, expect

MODEL = "qwen3-vl-rerank"


@pytest.fixture(scope="module")
def reranked_url(folder: Path) -> Iterator[str]:
    with served(folder, "--rerank", MODEL) as url:
        yield url


@pytest.fixture
def reranking(browser: Browser, reranked_url: str) -> Iterator[Windows]:
    """A maker of windows on that page."""
    windows = Windows(browser, reranked_url)
    yield windows
    windows.close()
    assert [] == windows.complaints


def search(page, text):
    page.fill("#text", text)
    page.click("#go")
    expect(page.locator("#heading")).to_contain_text(text)
    page.wait_for_selector("#results .before")


@pytest.mark.parametrize(
    ("locale", "words"),
    [("en-US", "vector rank {}"), ("zh-CN", "向量第 {} 名")],
    ids=["en", "zh"],
)
def test_a_card_shows_both_ranks(reranking, locale, words):
    page = reranking(locale=locale)

    search(page, "a blue square")

    lines = page.locator("#results .before").all_inner_texts()
    pattern = re.escape(words).replace(r"\{\}", r"(\d+)")
    found = [re.match(rf"#(\d+) {pattern}(?: [↑↓](\d+))?$", line) for line in lines]
    ranks = [(int(one[1]), int(one[2]), int(one[3] or 0)) for one in found]
    assert list(range(1, 9)) == [rank for rank, _, _ in ranks]
    assert list(range(1, 9)) == sorted(before if before < 9 else 8 for _, before, _ in ranks)
    assert all(abs(rank - before) == moved for rank, before, moved in ranks)
    expect(page.locator("#status")).to_contain_text(MODEL)
    expect(page.locator("#facts")).to_contain_text(MODEL)


def test_a_picture_opened_shows_both_ranks_and_scores(reranking):
    page = reranking()
    search(page, "a blue square")

    page.locator("#results .card").first.click()

    expect(page.locator("#viewer-score")).to_have_text(
        re.compile(r"No\. 1 · score \d\.\d{3} · vector rank \d+, score -?\d\.\d{3}")
    )


def test_a_screen_reader_hears_both_ranks(reranking):
    page = reranking()
    search(page, "a blue square")

    label = page.locator("#results .card").first.get_attribute("aria-label")

    assert re.search(r"No\. 1, score \d\.\d{3}, vector rank \d+$", label)


def test_a_video_keeps_its_place_behind_and_has_no_second_rank(reranking):
    page = reranking()
    search(page, "a blue square")

    assert 0 == page.locator("#results .card").last.locator(".before").count()
    assert "clip" in page.locator("#results .card").last.inner_text()


def test_only_videos_are_not_reranked_and_it_says_so(reranking):
    page = reranking()
    search(page, "a blue square")

    page.locator("#kinds label", has_text="Videos").click()

    expect(page.locator("#status")).to_contain_text("not reranked: the results contain no pictures")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_ranks_fit_a_phone(reranking, scheme):
    page = reranking(wide=390, high=800, color_scheme=scheme)
    search(page, "a blue square")

    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    for line in page.locator("#results .before").all():
        assert line.evaluate("(node) => node.scrollWidth <= node.clientWidth")

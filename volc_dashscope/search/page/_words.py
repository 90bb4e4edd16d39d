"""The page in the reader's language: Chinese or English, by what the browser says it prefers."""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

LANGUAGES = {"en": "en", "zh": "zh-CN"}


def language_of(accepted: str, wanted: str | None) -> str:
    """Return "en" or "zh": the one asked for, else the first that `Accept-Language` prefers."""
    if wanted is not None and wanted in LANGUAGES:
        return wanted
    found: list[tuple[str, str]] = re.findall(r"(?:^|,)\s*(\w+)[\w-]*(?:\s*;\s*q=([\d.]+))?", accepted)
    weighed = [(float(weight or 1), name.lower()) for name, weight in found if _is_number(weight)]
    best = sorted(weighed, key=lambda pair: -pair[0])
    return next((name for _, name in best if name in LANGUAGES), "en")


def index(language: str) -> str:
    """Return the page in a language."""
    words = {name: escape(text) for name, text in _words()[language].items()}
    other = "en" if language == "zh" else "zh"
    return Template(static("index.html").decode()).substitute(
        words, lang=LANGUAGES[language], other=other, other_lang=LANGUAGES[other]
    )


@cache
def static(name: str) -> bytes:
    """Return a file of the page."""
    return files("volc_dashscope.search.page").joinpath("static", name).read_bytes()


def _words() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(static("words.json"))
    return found


def _is_number(text: str) -> bool:
    return text == "" or re.fullmatch(r"\d+(\.\d*)?", text) is not None

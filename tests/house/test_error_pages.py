"""The pages on errors list every error of ours and every line of the services' tables, as the code has them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from marked import block
from source import ROOT

from volc_dashscope import errors
from volc_dashscope._types import Batch, Reply, RequestSpec
from volc_dashscope.errors import EmbeddingError
from volc_dashscope.models import get_model_info
from volc_dashscope.providers import ark, dashscope

PAGES = [ROOT / "docs" / language / "errors.md" for language in ("en", "zh")]
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
TABLES = {"ark": ark.RULES, "dashscope": dashscope.RULES, "in-body": dashscope._IN_BODY}
YES, NO = ("yes", "是"), ("no", "否")
ANY = ("any other", "其他")


@dataclass(frozen=True)
class Line:
    """What a line of a table says of one code."""

    status: int
    code: str
    says: str
    error: str
    retried: bool


def _cells(page, marker):
    rows = block(page, marker).splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def _lines(page, marker):
    lines = []
    for status, codes, error, retried, meaning, remedy in _cells(page, marker):
        assert retried in YES + NO
        assert meaning
        assert remedy
        said = re.search(r'"(.+)"', codes)
        named = re.findall(r"`(.+?)`", codes)
        assert named or codes.startswith(ANY)
        lines += [
            Line(int(status), code, said[1] if said else "", error.strip("`"), retried in YES)
            for code in named or [""]
        ]
    return lines


@EACH
@pytest.mark.parametrize("marker", TABLES)
def test_every_line_of_a_service_is_listed_in_its_order(page, marker):
    rules = [
        Line(
            rule.status or 200,
            rule.code,
            rule.message_contains,
            rule.meaning.error.__name__,
            rule.meaning.retryable,
        )
        for rule in TABLES[marker]
    ]

    assert set(rules) == set(_lines(page, marker))
    assert len(rules) == len(_lines(page, marker))


@EACH
def test_every_error_of_ours_is_listed_once(page):
    listed = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]* \|$", page.read_text("utf-8"), re.M)

    assert errors.__all__ == sorted(listed)


@EACH
def test_the_page_knows_what_a_bare_status_means(page):
    configured = {
        int(status): (error.strip("`"), retried in YES) for status, error, retried in _cells(page, "status")
    }
    row = get_model_info("text-embedding-v4")
    assert row is not None
    ask = RequestSpec(model_info=row, model=row.name, base_url="", place="")
    judged = {}
    for status in configured:
        error = ark.read(Reply(status, {}, b"{}"), Batch((0,), ("text",)), ask)
        assert isinstance(error, EmbeddingError)
        judged[status] = (type(error).__name__, error.retryable)

    assert configured == judged

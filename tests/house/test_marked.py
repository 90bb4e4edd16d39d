"""A block that a program writes: the rest of the page stays, and a page that lost its marks is an error."""

from __future__ import annotations

import pytest
from marked import block, write_block

PAGE = "above\n<!-- numbers -->\nold\n<!-- /numbers -->\nbelow\n"


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE, "utf-8")
    return path


def test_a_block_is_replaced_and_the_rest_stays(page):
    changed = [write_block(page, "numbers", "1\n\\2\n") for _ in range(2)]

    assert [True, False] == changed
    assert "above\n<!-- numbers -->\n1\n\\2\n<!-- /numbers -->\nbelow\n" == page.read_text("utf-8")
    assert "1\n\\2\n" == block(page, "numbers")


def test_a_check_says_the_same_and_writes_nothing(page):
    stale = [write_block(page, "numbers", text, check=True) for text in ("new\n", "old\n")]

    assert [True, False] == stale
    assert PAGE == page.read_text("utf-8")


@pytest.mark.parametrize("name", ["words", "number"])
def test_a_page_that_lost_its_marks_is_an_error(page, name):
    with pytest.raises(LookupError, match=r"page\.md has lost the marks of " + name):
        write_block(page, name, "new\n", check=True)

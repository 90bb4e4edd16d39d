"""The list of unsourced assumptions is what the marks in the code say."""

from __future__ import annotations

import assumptions
import pytest
from source import ROOT

MARKS = sorted(assumptions.assumptions())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_made_from_the_marks(language):
    assert assumptions.page(language) == (ROOT / "docs" / language / "assumptions.md").read_text("utf-8")


def test_every_mark_has_a_number_of_its_own_and_says_one_thing():
    numbers = [(mark.letter, mark.number) for mark in MARKS]

    assert len(numbers) > 50
    assert len(set(numbers)) == len(numbers)
    assert [] == [mark for mark in MARKS if len(mark.text) < 20 or "|" in mark.text]

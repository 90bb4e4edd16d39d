"""Token counts before the service tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volc_dashscope.models.tokens import ark_image_tokens, fewest_text_tokens, text_tokens


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [
        pytest.param(1280, 720, 1176, id="the guide's 1280x720"),
        pytest.param(1920, 1080, 1312, id="the guide's 1920x1080, capped"),
        pytest.param(28, 28, 1, id="one tile"),
        pytest.param(29, 28, 2, id="rounded up"),
        pytest.param(1, 1, 1, id="the smallest"),
        pytest.param(30_000, 30_000, 1312, id="huge"),
    ],
)
def test_image_tokens_follow_the_formula_of_the_guide(width: int, height: int, tokens: int) -> None:
    assert tokens == ark_image_tokens(width, height)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("", 1, id="nothing"),
        pytest.param("word", 2, id="four ASCII characters"),
        pytest.param("a" * 400, 101, id="one in four"),
        pytest.param("天很蓝", 4, id="one for each Chinese character"),
        pytest.param("天 blue", 2 + 5 // 4, id="mixed"),
    ],
)
def test_the_estimate_counts_wide_characters_as_tokens(text: str, tokens: int) -> None:
    assert tokens == text_tokens(text)


def test_a_chinese_text_costs_more_than_an_english_one_of_its_length() -> None:
    assert text_tokens("风" * 100) > 3 * text_tokens("w" * 100)


@given(st.text())
def test_the_bound_is_below_the_estimate(text: str) -> None:
    assert 0 <= fewest_text_tokens(text) <= text_tokens(text)


@given(st.text(), st.text())
def test_a_longer_text_has_no_fewer_tokens(text: str, more: str) -> None:
    # Rounding down may lose one where ASCII and wide characters meet.
    assert text_tokens(text) <= text_tokens(text + more) + 1


@given(st.text(st.characters(categories=["Cs"]) | st.characters()))
def test_a_lone_surrogate_can_be_counted(text: str) -> None:
    assert text_tokens(text) >= 1


def test_the_bound_never_refuses_prose_that_fits() -> None:
    english = "It was the best of times, it was the worst of times. " * 1000
    chinese = "秦孝公据崤函之固，拥雍州之地，君臣固守以窥周室。" * 1000

    # Counts of cl100k, which is far from sparing on Chinese.
    assert fewest_text_tokens(english) <= 14_000
    assert fewest_text_tokens(chinese) <= 36_000

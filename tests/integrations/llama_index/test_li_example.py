"""`examples/llama_index_multimodal.py`: pictures, notes and products in one index, asked in four ways."""

from __future__ import annotations

import importlib
import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> list[list[str]]:
    """Return the ranking the example prints without a key, line by line, in cells."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.syspath_prepend(str(EXAMPLES))
        patch.chdir(tmp_path_factory.mktemp("reader"))
        for name in ("ARK_API_KEY", "DASHSCOPE_API_KEY"):
            patch.delenv(name, raising=False)
        assert 0 == importlib.import_module("llama_index_multimodal").main()
    return [[cell.strip() for cell in line.split("|")] for line in printed.getvalue().splitlines()]


def test_each_question_finds_what_it_means(output):
    best = {cells[0]: cells[3] for cells in output if len(cells) == 4 and cells[1] == "1"}

    assert {
        "where is the boat moored?": "The sailing boat is moored at berth 14 and has to be painted in spring.",
        "a blue seascape": "[blue_seascape.png]",
        "[yellow apple]": "[green_apple.png]",
        "[red chair] + this, but blue": "Chair KX-4712 of painted beech, 52 euros [blue_chair.png]",
        "QR-2000 (hybrid)": "Lamp QR-2000 with a shade of linen, 35 euros [table_lamp.png]",
    } == best


def test_it_says_that_the_vectors_are_stand_ins(output):
    assert "emulator" in output[0][0]


def test_one_request_a_node_and_one_for_the_words_of_each_product(output):
    assert ["49 nodes, 53 requests"] == output[1]

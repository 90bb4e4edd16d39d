"""`examples/langchain_multimodal_rag.py`: pictures, scans and notes in one store, and a chain that answers."""

from __future__ import annotations

import importlib
import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from paintings import painted

from langchain_volc_dashscope import MediaDocument, content_blocks
from volc_dashscope import Image

EXAMPLES = Path(__file__).parents[3] / "examples"
VARIABLES = ("ARK_API_KEY", "DASHSCOPE_API_KEY", "RAG_CHAT_MODEL")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Return the module, in an empty folder and without a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        patch.chdir(tmp_path_factory.mktemp("reader"))
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        yield importlib.import_module("langchain_multimodal_rag")


@pytest.fixture(scope="module")
def answered(example) -> tuple[list[dict[str, Any]], str]:
    """Return what the chain gave, and what the example prints of it."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        answers = example.run(example.OUTPUT)
        for answer in answers:
            example.show(answer)
    return answers, printed.getvalue()


def test_the_example_prints_answers_with_the_sources_they_use(answered):
    _, printed = answered

    expected = [
        "no API key: using the emulator at ",
        "[1] The red chair was bought in 2019 for 120 euros; the receipt is in the blue folder. (note)",
        "[2] red chair (red_chair.png)",
        "A: I was shown page 1, sunflower,",
        "[1] Garden handbook, page 1 (page_1.png)",
        "Q: Do we have one like this? [with a picture]",
        "[1] sailing boat (sailing_boat.png)",
    ]
    assert expected == [line for line in expected if line in printed]
    assert "media:sha256" not in printed


def test_the_model_is_shown_the_pictures_that_were_retrieved_and_no_others(example, answered):
    answers, _ = answered
    shown = [answer["answer"].partition(", and read ")[0] for answer in answers]
    addresses = [
        [
            getattr(answer["question"], "media_uri", None),
            *(hit.metadata.get("media_uri") for hit in answer["sources"]),
        ]
        for answer in answers
    ]

    names = [[example.words(Path(uri)) for uri in uris if uri] for uris in addresses]
    assert [f"I was shown {', '.join(found)}" for found in names] == shown


def test_the_stand_in_refuses_to_answer_without_pictures(example, tmp_path):
    with pytest.raises(ValueError, match="shown 0 pictures"):
        example.Viewer(folder=tmp_path).invoke("only words")


def test_the_stand_in_refuses_a_picture_that_was_not_retrieved(example, tmp_path):
    (tmp_path / "red.png").write_bytes(painted("red"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "blue.png").write_bytes(painted("blue"))
    picture = MediaDocument(Image.from_path(tmp_path / "elsewhere" / "blue.png"))

    with pytest.raises(ValueError, match="1 of them unknown"):
        example.Viewer(folder=tmp_path).invoke([HumanMessage(content_blocks([picture]))])

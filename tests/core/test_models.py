"""The table of models says what the vendors' pages say."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from volc_dashscope import ModelInfo, get_model_info, list_models
from volc_dashscope.models import Score

# reference/models.md, sections 1 to 4, in its order.
NAMES = {
    "ark": [
        "doubao-embedding-vision-251215",
        "doubao-embedding-vision-250615",
        "doubao-embedding-vision-250328",
        "doubao-embedding-vision-241215",
        "doubao-embedding-vision",
        "skylark-embedding-vision-250615",
        "skylark-embedding-vision-251215",
        "doubao-embedding-large-text-250515",
        "doubao-embedding-large-text-240915",
        "doubao-embedding-text-240715",
    ],
    "dashscope": [
        "qwen3.7-text-embedding",
        "qwen3.7-text-embedding-flash",
        "text-embedding-v4",
        "text-embedding-v3",
        "text-embedding-v2",
        "text-embedding-v1",
        "text-embedding-async-v2",
        "text-embedding-async-v1",
        "qwen3-vl-embedding",
        "qwen2.5-vl-embedding",
        "tongyi-embedding-vision-plus-2026-03-06",
        "tongyi-embedding-vision-flash-2026-03-06",
        "tongyi-embedding-vision-plus",
        "tongyi-embedding-vision-flash",
        "multimodal-embedding-v1",
        "multimodal-embedding-one-peace-v1",
    ],
}
# Dimensions with the default first, and items a request; the "bold" and batch columns of the same tables.
SHAPES: dict[str, tuple[int | None, set[int], int]] = {
    "doubao-embedding-vision-251215": (2048, {2048, 1024}, 1),
    "doubao-embedding-vision-250615": (2048, {2048, 1024}, 1),
    "doubao-embedding-vision-250328": (2048, {2048, 1024}, 1),
    "doubao-embedding-vision-241215": (3072, {3072}, 1),
    "doubao-embedding-large-text-250515": (2048, {2048, 1024, 512, 256}, 4),
    "doubao-embedding-large-text-240915": (4096, {4096}, 4),
    "doubao-embedding-text-240715": (2560, {2560, 2048, 1024, 512}, 4),
    "qwen3.7-text-embedding": (1024, {2560, 2048, 1536, 1024, 768, 512, 256}, 20),
    "qwen3.7-text-embedding-flash": (1024, {1024, 768, 512, 256}, 20),
    "text-embedding-v4": (1024, {2048, 1536, 1024, 768, 512, 256, 128, 64}, 10),
    "text-embedding-v3": (1024, {1024, 768, 512, 256, 128, 64}, 10),
    "text-embedding-v2": (1536, {1536}, 25),
    "text-embedding-v1": (1536, {1536}, 25),
    "text-embedding-async-v2": (1536, {1536}, 100_000),
    "qwen3-vl-embedding": (2560, {2560, 2048, 1536, 1024, 768, 512, 256}, 20),
    "qwen2.5-vl-embedding": (1024, {2048, 1024, 768, 512}, 1),
    "tongyi-embedding-vision-plus-2026-03-06": (1152, {1152, 1024, 512, 256, 128, 64}, 20),
    "tongyi-embedding-vision-flash-2026-03-06": (768, {768, 512, 256, 128, 64}, 20),
    "tongyi-embedding-vision-plus": (1152, {1152, 1024, 512, 256, 128, 64}, 20),
    "tongyi-embedding-vision-flash": (768, {768, 512, 256, 128, 64}, 20),
    "multimodal-embedding-v1": (1024, {1024}, 20),
}
# Seed 004, "MTEB/CMTEB": model, dimension, MTEB, its retrieval task, CMTEB, its retrieval task.
SCORES = [
    ("text-embedding-v1", 1536, 58.30, 45.47, 59.84, 56.59),
    ("text-embedding-v2", 1536, 60.13, 49.49, 62.17, 62.78),
    ("text-embedding-v3", 64, 57.40, 46.52, 59.19, 62.03),
    ("text-embedding-v3", 128, 60.19, 52.51, 63.81, 68.22),
    ("text-embedding-v3", 256, 61.13, 54.41, 65.92, 71.07),
    ("text-embedding-v3", 512, 62.11, 54.30, 66.81, 71.88),
    ("text-embedding-v3", 768, 62.43, 54.74, 67.90, 72.29),
    ("text-embedding-v3", 1024, 63.39, 55.41, 68.92, 73.23),
    ("text-embedding-v4", 512, 64.73, 56.34, 68.79, 73.33),
    ("text-embedding-v4", 1024, 68.36, 59.30, 70.14, 73.98),
    ("text-embedding-v4", 2048, 71.58, 61.97, 71.99, 75.01),
]
every_row = pytest.mark.parametrize("row", list_models(), ids=lambda row: row.name)


@pytest.mark.parametrize("provider", NAMES)
def test_every_model_of_the_reference_is_in_the_table_and_no_other(provider: str) -> None:
    assert sorted(NAMES[provider]) == sorted(row.name for row in list_models() if row.provider == provider)


@every_row
def test_a_card_is_found_by_its_name(row: ModelInfo) -> None:
    assert row is get_model_info(row.name)


@pytest.mark.parametrize("name", ["", "ep-2026", "text-embedding-v5"])
def test_a_name_outside_the_table_has_no_card(name: str) -> None:
    assert None is get_model_info(name)


@every_row
def test_a_row_says_where_and_when_it_was_read(row: ModelInfo) -> None:
    assert row.source.startswith("https://")
    assert "2025-12-01" < row.as_of <= "2026-11-21"


@every_row
def test_the_default_dimension_is_one_of_the_dimensions(row: ModelInfo) -> None:
    assert (not row.ready and row.default_dimension is None) or row.default_dimension in row.dimensions


@pytest.mark.parametrize(("name", "shape"), SHAPES.items(), ids=SHAPES.keys())
def test_dimensions_and_batch_size_are_the_references(
    name: str, shape: tuple[int | None, set[int], int]
) -> None:
    row = get_model_info(name)

    assert row is not None
    assert shape == (row.default_dimension, set(row.dimensions), row.batch)


@every_row
def test_somebody_shortens_a_vector_that_has_several_lengths(row: ModelInfo) -> None:
    assert (len(row.dimensions) > 1) == (row.reduces is not None)


@every_row
def test_a_row_has_rules_for_the_media_it_takes(row: ModelInfo) -> None:
    rules = {"image": row.image, "video": row.video}

    assert not row.ready or {kind for kind, rule in rules.items() if rule} == row.modalities & rules.keys()


@every_row
def test_a_model_with_frames_says_how_many(row: ModelInfo) -> None:
    assert ("frames" in row.modalities) == (row.max_frames is not None)


@every_row
def test_a_row_that_is_not_ready_says_why(row: ModelInfo) -> None:
    assert row.ready or row.note


@every_row
def test_a_price_is_dated(row: ModelInfo) -> None:
    assert row.price is None or (row.price.text > 0 and row.price.as_of <= "2026-11-21")


@pytest.mark.parametrize(("name", "dimension", *(["mteb", "retrieval", "cmteb", "chinese"])), SCORES)
def test_scores_are_those_of_the_embedding_guide(
    name: str, dimension: int, mteb: float, retrieval: float, cmteb: float, chinese: float
) -> None:
    row = get_model_info(name)

    assert row is not None
    assert Score(dimension, mteb, retrieval, cmteb, chinese) in row.scores


def test_no_score_is_made_up() -> None:
    listed = {(name, dimension) for name, dimension, *_ in SCORES}

    assert listed == {(row.name, score.dimension) for row in list_models() for score in row.scores}


def test_a_renamed_card_keeps_its_abilities() -> None:
    row = get_model_info("text-embedding-v4")

    assert row is not None
    assert row == row.renamed("ep-2026").renamed("text-embedding-v4")


def test_a_card_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        list_models()[0].batch = 99  # type: ignore[misc]

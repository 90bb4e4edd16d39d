"""`volc-dashscope search --rerank`: both rankings of a folder."""

from __future__ import annotations

import json
import math
import re
from base64 import b64decode
from io import BytesIO

import pytest
from paintings import fill
from PIL import Image as Pillow

RERANK = "qwen3-vl-rerank"


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "pictures")


@pytest.mark.parametrize("model", ["doubao-embedding-vision-251215", "qwen3-vl-embedding"])
def test_the_nearest_are_ordered_again_and_both_ranks_are_shown(cli, services, folder, model):
    done = cli("search", folder, "a blue square", "-m", model, "--rerank", RERANK, "--top", 3, "--json", "-q")

    assert 0 == done.code, done.err
    found = done.json["rankings"][0]["hits"]
    assert [1, 2, 3] == [hit["rank"] for hit in found]
    assert {"image"} == {hit["kind"] for hit in found}
    assert all(hit["vector_rank"] >= 1 and -1 <= hit["vector_score"] <= 1 for hit in found)
    assert sorted((hit["score"] for hit in found), reverse=True) == [hit["score"] for hit in found]
    assert 1 == sum("rerank" in request.path for request in services.ledger)
    assert "1 request, " in done.err


def test_the_table_has_a_column_for_the_first_rank(cli, services, folder):
    plain = cli("search", folder, "red", "-q")
    both = cli("search", folder, "red", "--rerank", RERANK, "-q")

    assert "vector" not in plain.out
    assert "| rank | vector | score" in both.out.splitlines()[0]


def test_the_emulator_reranks_too(cli, folder):
    assert 0 == cli("search", folder, "red", "--emulator", "--rerank", RERANK, "-q").code


WRONG = {
    "texts only": (("--rerank", "qwen3-rerank"), "qwen3-vl-rerank"),
    "unknown": (("--rerank", "nope"), "nope"),
    "videos": (("--rerank", RERANK, "--kind", "video"), "--rerank works with images only"),
}


@pytest.mark.parametrize(("more", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_reranked_is_refused_before_anything_is_sent(cli, services, folder, more, words):
    done = cli("search", folder, "red", *more, "-q")

    assert (2, 0) == (done.code, len(services.ledger))
    assert words in done.err


def _largest(services, folder_of_path):
    """Return the most pixels of any picture that was sent to a path."""
    bodies = [request.body for request in services.ledger if folder_of_path in request.path]
    uris = re.findall(r"data:image/[a-z]+;base64,([^\"\\]+)", json.dumps(bodies))
    return max(math.prod(Pillow.open(BytesIO(b64decode(uri))).size) for uri in uris)


def test_the_reranker_gets_the_shrunk_pictures_too(cli, services, folder):
    done = cli(
        "search", folder, "red", "-m", "qwen3-vl-embedding", "--rerank", RERANK, "--max-pixels", 2500, "-q"
    )

    assert 0 == done.code, done.err
    assert 2500 == _largest(services, "multimodal-embedding") == _largest(services, "rerank")


def test_rerank_shrinks_the_pictures_of_a_table(cli, services, folder):
    table = folder / "pairs.csv"
    table.write_text("query,photo\nred,red_square.png\nred,blue_square.png\n")

    done = cli(
        "rerank", table, "-m", RERANK, "-o", "ranked.parquet", "--image-column", "photo", "--max-pixels", 2500
    )

    assert 0 == done.code, done.err
    assert 2500 == _largest(services, "rerank")

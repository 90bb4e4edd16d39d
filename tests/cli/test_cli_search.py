"""`volc-dashscope search`: a ranking of a folder, and what a second search pays."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from canary import KEY
from cli_runs import ended, started
from paintings import fill, hang

ARK = "doubao-embedding-vision-251215"


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "pictures")


def hits(done, ranking=0):
    return [hit["name"] for hit in done.json["rankings"][ranking]["hits"]]


def test_a_text_finds_its_colour_in_either_language(cli, services, folder):
    done = cli("search", folder, "a blue square", "红色的圆形", "--top", 2, "--json")

    assert (0, ARK, 9) == (done.code, done.json["model"], done.json["files"])
    assert "blue" in hits(done)[0]
    assert "red" in hits(done, 1)[0]
    assert [1, 2] == [hit["rank"] for hit in done.json["rankings"][0]["hits"]]


def test_the_table_is_aligned_under_chinese_and_shows_folders(cli, services, folder):
    done = cli("search", folder, "绿色", "blue", "--top", 3, "-q")

    lines = done.out.splitlines()
    assert 0 == done.code
    assert re.fullmatch(r"query +\| rank \| score  \| picture", lines[0])
    assert lines[2].startswith("绿色  | " if lines[0].startswith("query |") else "绿色")
    assert any("圆形/green_circle.png" in line for line in lines)
    assert 1 + 2 * 4 == len(lines)


def test_a_picture_finds_itself_and_fused_finds_it_otherwise(cli, services, folder):
    picture = folder / "red_square.png"

    alone = cli("search", folder, "--image", picture, "--top", 1, "--json")
    fused = cli("search", folder, "this, but blue", "--image", picture, "--fused", "--top", 1, "--json")

    assert ["red_square.png"] == hits(alone)
    assert "blue" in hits(fused)[0]
    assert ("this, but blue", str(picture)) == (
        fused.json["rankings"][0]["text"],
        fused.json["rankings"][0]["image"],
    )


def test_without_fused_a_text_and_a_picture_are_asked_each_on_its_own(cli, services, folder):
    done = cli("search", folder, "blue", "--image", folder / "red_square.png", "--json")

    assert [("blue", None), ("", str(folder / "red_square.png"))] == [
        (ranking["text"], ranking["image"]) for ranking in done.json["rankings"]
    ]


def test_a_second_search_pays_for_its_question_only_and_the_same_question_is_free(cli, services, folder):
    cli("search", folder, "blue")
    first = len(services.ledger)
    cli("search", folder, "green")
    second = len(services.ledger)
    cli("search", folder, "green")

    assert (9 + 1, 10 + 1, 11) == (first, second, len(services.ledger))


def test_a_search_without_pyarrow_says_so_before_it_counts_or_sends(services, folder):
    code = "import sys; sys.modules['pyarrow'] = None\nfrom volc_dashscope.cli import main\nmain()"

    done = ended(started("search", folder, "a blue square", folder=folder, code=code))

    assert (2, 0) == (done.code, len(services.ledger))
    assert done.err.startswith("error: ")
    assert 'pip install "volc-dashscope[bulk]"' in done.err


SLOW_TO_LOAD = [
    "asyncio",
    "pandas",
    "pyarrow.dataset",
    "volc_dashscope.emulator.emulator",
    "volc_dashscope.jobs",
]


@pytest.mark.parametrize(
    ("known", "unneeded"),
    [
        (False, SLOW_TO_LOAD),
        (True, [*SLOW_TO_LOAD, "pyarrow.compute", "volc_dashscope.estimate", "wcwidth"]),
    ],
    ids=["first", "again"],
)
def test_a_search_loads_only_what_it_needs(cli, services, folder, known, unneeded):
    """A search where nothing has changed takes less time than loading some of these."""
    if known:
        cli("search", folder, "a blue square")
    code = (
        "import sys\n"
        "from volc_dashscope.cli import main\n"
        "try: main()\n"
        f"finally: print([name for name in {unneeded} if name in sys.modules])"
    )

    done = ended(started("search", folder, "a blue square", "-q", folder=folder, code=code))

    assert "blue" in done.out
    assert "[]" == done.out.splitlines()[-1], done.err


def test_only_new_and_changed_files_are_paid_for_and_deleted_ones_vanish(cli, services, folder):
    cli("search", folder, "blue")
    before = len(services.ledger)
    hang(folder / "new.png", "blue", "circle")  # the bytes of one that is there: known
    hang(folder / "red_square.png", "yellow", "square")  # likewise, under an old name
    hang(folder / "green_square.png", "green", "circle").write_bytes(
        (folder / "green_square.png").read_bytes() + b"\0"
    )
    (folder / "圆形" / "yellow_circle.png").unlink()

    done = cli("search", folder, "yellow", "--top", 20, "--json")

    assert 1 + 1 == len(services.ledger) - before
    assert 9 == done.json["files"]
    assert "new.png" in hits(done)
    assert "圆形/yellow_circle.png" not in hits(done)
    assert {"red_square.png", "yellow_square.png"} == set(hits(done)[:2])


def test_kind_leaves_pictures_or_videos(cli, services, folder):
    videos = cli("search", folder, "blue", "--kind", "video", "--json")
    pictures = cli("search", folder, "blue", "--kind", "image", "--top", 20, "--json")

    assert ["clip.mp4"] == hits(videos)
    assert 8 == len(hits(pictures))


def test_what_cannot_be_embedded_is_left_out_and_tried_again_on_demand(cli, services, folder):
    (folder / "broken.png").write_bytes(b"no picture")
    first = cli("search", folder, "blue", "--json")
    hang(folder / "other.png", "red", "circle")
    done = cli("search", folder, "blue", "--json")
    again = cli("search", folder, "blue", "--refresh", "--json")

    assert (9, ["broken.png"]) == (first.json["files"], [*first.json["left_out"]])
    assert (10, ["broken.png"]) == (done.json["files"], [*done.json["left_out"]])
    assert again.json["left_out"] == done.json["left_out"]
    assert "broken.png" in done.err


def test_each_service_has_vectors_of_its_own(cli, services, folder):
    cli("search", folder, "blue")
    before = len(services.ledger)

    done = cli("search", folder, "blue", "-m", "qwen3-vl-embedding", "-d", 256, "--json")

    names = sorted(path.name for path in (folder / ".volc-dashscope" / "127.0.0.1").glob("*.parquet"))
    assert "qwen3-vl-embedding" == done.json["model"]
    assert len(services.ledger) > before
    assert [f"{ARK}-2048.parquet", "qwen3-vl-embedding-256.parquet"] == names


def test_a_folder_that_is_read_only_can_have_its_vectors_elsewhere(cli, services, folder, tmp_path):
    done = cli("search", folder, "blue", "--store", tmp_path / "store")

    assert 0 == done.code
    assert not (folder / ".volc-dashscope").exists()
    assert list((tmp_path / "store").rglob("vectors.sqlite"))


def test_a_page_is_written_that_needs_nothing_else(cli, services, folder, tmp_path):
    done = cli("search", folder, "蓝色", "--top", 9, "--html", tmp_path / "page.html")

    page = (tmp_path / "page.html").read_text("utf-8")
    assert (0, 8) == (done.code, page.count("data:image/webp;base64,"))
    assert 'aria-label="clip"' in page
    assert [] == re.findall(r'(?:src|href)="(?!data:)', page)
    assert "<script" not in page
    assert KEY not in page


def test_without_a_key_the_emulator_stands_in_and_says_so(cli, folder):
    done = cli("search", folder, "blue", "--emulator", "--top", 1, "--json")

    assert 0 == done.code
    assert "blue" in hits(done)[0]
    assert "not by a model" in done.err


WRONG = {
    "no key": (("blue",), "--emulator"),
    "no question": ((), "a text, --image, or both"),
    "fused alone": (("blue", "--fused"), "--fused needs"),
    "text model": (("blue", "--emulator", "-m", "text-embedding-v4"), "embeds text only"),
    "two places": (("blue", "--emulator", "--region", "cn-beijing"), "--region"),
    "unknown model": (("blue", "--emulator", "-m", "none"), "not in the table"),
    "empty text": (("", "--emulator"), "empty"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_search_is_exit_2_and_one_thing_to_do(cli, folder, arguments, words):
    done = cli("search", folder, *arguments)

    assert (2, "") == (done.code, done.out)
    assert words in done.err
    assert "Traceback" not in done.err
    assert not list(folder.rglob("*.parquet"))


def test_an_empty_folder_is_reported(cli, services, tmp_path):
    (tmp_path / "empty").mkdir()

    done = cli("search", "empty", "blue")

    assert 2 == done.code
    assert "no images and no videos" in done.err


def test_a_folder_of_which_nothing_could_be_embedded_is_tried_again(cli, services, tmp_path):
    hang(tmp_path / "one" / "red.png", "red", "square")
    services.fail("400")
    first = cli("search", "one", "red")

    done = cli("search", "one", "red", "--json")

    assert (2, 0) == (first.code, done.code)
    assert "of 1 file none could be embedded" in first.err
    assert ["red.png"] == hits(done)


def test_places_that_cannot_be_written_are_one_line(cli, services, folder, tmp_path):
    page = cli("search", folder, "blue", "--html", tmp_path / "pictures" / "clip.mp4" / "page.html")
    (tmp_path / "other").mkdir()
    hang(tmp_path / "other" / "red.png", "red", "square")
    (tmp_path / "other" / ".volc-dashscope").write_text("a file where a folder would go")
    store = cli("search", "other", "blue")

    assert (2, 2) == (page.code, store.code)
    assert "cannot be written" in page.err
    assert "--store" in store.err


def test_the_emulator_without_pillow_names_the_extra(folder, tmp_path):
    code = "import sys; sys.modules['PIL'] = None; from volc_dashscope.cli import main; main()"

    done = ended(started("search", "pictures", "blue", "--emulator", folder=tmp_path, code=code))

    assert 2 == done.code
    assert 'pip install "volc-dashscope[emulator]"' in done.err
    assert "Traceback" not in done.err


def test_a_refused_key_is_exit_3_and_pays_nothing_twice(cli, services, folder):
    services.fail(*[None] * 4, "401")
    refused = cli("search", folder, "blue", "--concurrency", 1)
    done = cli("search", folder, "blue", "--json")

    assert (3, 0) == (refused.code, done.code)
    assert "run the same command again to continue" in refused.err
    assert 4 + 1 + 5 + 1 == len(services.ledger)


def test_the_price_is_said_before_it_is_paid(cli, services, folder):
    done = cli("search", folder, "blue")
    again = cli("search", folder, "blue")

    assert f"9 files: embedding the new and changed ones with {ARK}" in done.err
    assert "CNY" in done.err
    assert "CNY" not in again.err


def test_it_works_from_a_shell(folder, tmp_path):
    done = ended(started("search", "pictures", "蓝色", "--emulator", "--json", folder=tmp_path))
    shutil.rmtree(folder / ".volc-dashscope")

    assert 0 == done.code, done.err
    assert "blue" in json.loads(done.out)["rankings"][0]["hits"][0]["name"]

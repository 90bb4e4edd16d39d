"""What the page can be asked, and what it answers."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from canary import KEY
from paintings import fill, shaped
from PIL import Image as Pillow
from shelf_samples import MODEL, embedded
from starlette.testclient import TestClient

from volc_dashscope import InputError
from volc_dashscope.emulator import Emulator
from volc_dashscope.models import get_model_info
from volc_dashscope.search import Album, Entry
from volc_dashscope.search.map import draw_map, group_names
from volc_dashscope.search.page import create_app

BASE = "http://127.0.0.1:8766"


def names(page, reply):
    entries = page.get("/api/album").json()["entries"]
    return [entries[one["place"]]["name"] for one in reply.json()["results"]]


def ask(page, body=b"", **params):
    return page.post("/api/search", params=params, content=body)


def test_the_album_is_sent_with_its_map(page):
    answer = page.get("/api/album").json()

    assert ("photos", MODEL, True, True) == (
        answer["folder"],
        answer["model"],
        answer["stand_in"],
        answer["fuses"],
    )
    assert ["blue_square.png", "clip.mp4"] == [entry["name"] for entry in answer["entries"][:2]]
    assert {"image": 8, "video": 1} == {
        kind: sum(entry["kind"] == kind for entry in answer["entries"]) for kind in ("image", "video")
    }
    assert [] == [entry for entry in answer["entries"] if not (0 <= entry["x"] <= 1 and 0 <= entry["y"] <= 1)]
    assert {0, 1} <= {entry["group"] for entry in answer["entries"]}


def test_the_album_of_a_folder_whose_name_is_not_utf8_is_sent(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/folder \xff"))
    folder.mkdir()
    (folder / "red.png").write_bytes(shaped("red", "square"))
    album, client = embedded(folder, tmp_path / "store", Emulator())

    with TestClient(create_app(album, client), base_url=BASE) as page:
        assert "folder ?" == page.get("/api/album").json()["folder"]


@pytest.mark.parametrize("text", ["a blue square", "蓝色的方块"])
def test_a_text_is_ranked(page, text):
    reply = ask(page, text=text)

    assert 200 == reply.status_code
    assert "blue_square.png" == names(page, reply)[0]
    scores = [one["score"] for one in reply.json()["results"]]
    assert scores == sorted(scores, reverse=True)
    assert reply.json()["tokens"] > 0


def test_a_picture_finds_what_is_like_it(page):
    assert "圆形/red_circle.png" == names(page, ask(page, shaped("red", "circle", 120)))[0]


def test_both_are_one_question(page, gallery):
    reply = ask(page, shaped("red", "square", 130), text="this, but blue")

    assert reply.json()["fused"]
    assert "blue" in names(page, reply)[0]
    assert 1 == len(gallery[0].ledger)


def test_a_model_that_does_not_fuse_is_asked_for_each(own_page):
    page, _ = own_page("tongyi-embedding-vision-plus")

    reply = ask(page, shaped("red", "square", 130), text="red")

    assert (200, False) == (reply.status_code, reply.json()["fused"])
    assert "red" in names(page, reply)[0]


def test_more_like_an_entry_costs_nothing(page, gallery):
    place = next(place for place, entry in enumerate(gallery[1].entries) if entry.name == "green_square.png")

    reply = ask(page, like=place)

    assert ("green_square.png", 0, 0) == (
        names(page, reply)[0],
        reply.json()["tokens"],
        len(gallery[0].ledger),
    )


def test_a_kind_and_a_number_bound_the_ranking(page):
    assert ["clip.mp4"] == names(page, ask(page, text="red", kind="video"))
    assert 3 == len(names(page, ask(page, text="red", kind="image", top=3)))


WRONG = {
    "nothing": ({}, b"", 400, "a text, an image, or both"),
    "blank": ({"text": "  "}, b"", 400, "a text, an image, or both"),
    "kind": ({"text": "x", "kind": "sound"}, b"", 400, "kind"),
    "top": ({"text": "x", "top": "501"}, b"", 400, "top"),
    "no entry": ({"like": "9"}, b"", 400, "like"),
    "negative": ({"like": "-1"}, b"", 400, "like"),
    "no picture": ({}, b"<html>", 400, "not an image"),
    "a video": ({}, b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", 400, "not an image"),
}


@pytest.mark.parametrize(("params", "body", "status", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_question_is_refused_in_words_and_not_sent(page, gallery, params, body, status, words):
    reply = ask(page, body, **params)

    assert status == reply.status_code
    assert words in reply.json()["error"]
    assert 0 == len(gallery[0].ledger)


def test_an_upload_is_bounded_whatever_it_says_of_itself(page, gallery):
    most = get_model_info(MODEL).image.max_bytes

    def pieces():
        for _ in range(12):
            yield b"\x89PNG\r\n\x1a\n".ljust(1024 * 1024, b"\0")

    declared = page.post("/api/search", content=b"", headers={"Content-Length": str(most + 1)})
    undeclared = page.post("/api/search", content=pieces())

    assert (413, 413) == (declared.status_code, undeclared.status_code)
    assert "larger than 10 MB" in undeclared.json()["error"]
    assert 0 == len(gallery[0].ledger)


def test_a_picture_that_will_be_shrunk_may_be_larger_than_the_model_takes(own_page):
    """A PNG of 12 MB, where the model takes 10."""
    buffer = BytesIO()
    shade = Pillow.new("RGB", (2000, 2000), (214, 32, 36))
    shade.save(buffer, "PNG", compress_level=0)
    page, _ = own_page(max_image_pixels=100_000)

    reply = ask(page, buffer.getvalue())

    assert len(buffer.getvalue()) > get_model_info(MODEL).image.max_bytes
    assert (200, True) == (reply.status_code, "red" in names(page, reply)[0])
    assert page.get("/api/album").json()["max_bytes"] > len(buffer.getvalue())


def test_a_large_picture_that_cannot_be_shrunk_is_refused_by_the_model_s_rule(own_page):
    page, _ = own_page(max_image_pixels=100_000)

    reply = ask(page, shaped("red", "square", 100) + bytes(11 * 2**20))

    assert 400 == reply.status_code
    assert "accepts at most 10,485,7" in reply.json()["error"]


@pytest.mark.parametrize(("fault", "status"), [("401", 502), ("429", 429), ("500", 502), ("reset", 502)])
def test_a_failure_of_the_service_is_readable_and_holds_no_key(page, gallery, fault, status):
    gallery[0].fail(fault)

    reply = ask(page, text=f"nobody asked this before {fault}")

    assert status == reply.status_code
    assert reply.json()["error"]
    assert KEY not in reply.text


def test_equal_scores_keep_the_order_of_the_album(tmp_path):
    entries = [Entry(f"{name}.png", "image") for name in "abc"]
    album = Album(tmp_path, entries, np.eye(3, dtype=np.float32)[[0, 1, 1]], {})

    found = album.search(np.array([0, 2, 0], dtype=np.float32), top=9)

    assert [("b.png", 1.0), ("c.png", 1.0), ("a.png", 0.0)] == [(one.entry.name, one.score) for one in found]


@pytest.mark.parametrize("vector", [[0, 2], [[0, 2, 0]], [0, float("nan"), 0], [0, float("inf"), 0], []])
def test_a_vector_of_another_length_or_without_a_direction_is_refused(tmp_path, vector):
    album = Album(tmp_path, [Entry("a.png", "image")], np.eye(1, 3, dtype=np.float32), {})

    with pytest.raises(InputError, match=r"accepts one vector of 3 numbers"):
        album.search(np.array(vector, dtype=np.float32), top=1)


def test_the_map_of_the_same_album_is_the_same_and_groups_are_apart():
    rng = np.random.default_rng(7)
    centres = np.eye(3, 64) * 5
    vectors = np.concatenate([centre + rng.normal(0, 0.1, (12, 64)) for centre in centres]).astype(np.float32)

    one, two = draw_map(vectors), draw_map(vectors)

    assert one.points.tolist() == two.points.tolist()
    assert one.groups.tolist() == two.groups.tolist()
    groups = [set(one.groups[start : start + 12].tolist()) for start in (0, 12, 24)]
    assert [] == [
        left & right for left, right in zip(groups, [*groups[1:], groups[0]], strict=True) if left & right
    ]
    assert (0.0, 1.0) == (one.points.min(), one.points.max())


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_map_of_very_few_is_drawn_too(number):
    drawn_map = draw_map(np.eye(number, 8, dtype=np.float32))

    assert (number, 2) == drawn_map.points.shape
    assert np.isfinite(drawn_map.points).all()
    assert number == len(drawn_map.groups)


def test_the_map_needs_nothing_but_numpy():
    code = (
        "import sys; sys.modules['scipy'] = None; import numpy as np; from volc_dashscope.search.map import draw_map;"
        "print(len(draw_map(np.eye(40, 64, dtype=np.float32)).groups))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert ("40\n", "") == (done.stdout, done.stderr)


def test_a_text_that_is_too_long_is_cut_and_that_is_reported(page, gallery):
    found = page.post("/api/search", params={"text": "x" * 10_000}).json()

    assert (True, "x" * 2000) == (found["shortened"], gallery[0].ledger.texts[-1])
    assert not page.post("/api/search", params={"text": "x" * 2000}).json()["shortened"]


def test_an_upload_that_is_no_image_has_a_reason_the_page_can_say(page):
    reply = page.post("/api/search", content=b"<html>")

    assert (400, "not_an_image") == (reply.status_code, reply.json()["reason"])


GROUPS = {
    "a word of their own": (["red_a.png", "red_b.png", "blue_c.png"], [0, 0, 1], ["red", "blue"]),
    "folders are words": (["cats/1.png", "cats/2.png", "dogs/3.png"], [0, 0, 1], ["cats", "dogs"]),
    "no words without meaning": (["flag_of_a.png", "flag_of_b.png", "sea.png"], [0, 0, 1], ["flag", "sea"]),
    "only words without meaning": (["over.png", "sea.png"], [0, 1], ["over", "sea"]),
    "numbers only": (["1.png", "2.png", "3.png"], [0, 0, 1], ["1", "3"]),
    "nothing tells them apart": (["a/x.png", "b/x.png"], [0, 1], ["x", "x, x"]),
    "one group": (["sea.png", "sea2.png"], [0, 0], ["sea"]),
}


@pytest.mark.parametrize(("names", "groups", "expected"), GROUPS.values(), ids=GROUPS.keys())
def test_groups_are_called_by_their_files(names, groups, expected):
    assert expected == group_names(names, np.array(groups))


@pytest.mark.parametrize("name", ["a.png", "it's.png", "both' and \".png", "a\nb.png"])
def test_a_file_without_a_vector_is_named_without_its_path(tmp_path, name):
    folder = fill(tmp_path / "photos")
    (folder / name).write_bytes(b"no picture")
    album, client = embedded(folder, tmp_path / "store", Emulator())

    with TestClient(create_app(album, client), base_url=BASE) as page:
        reason = page.get("/api/album").json()["left_out"][name]

    assert reason.startswith("the bytes are not an image")

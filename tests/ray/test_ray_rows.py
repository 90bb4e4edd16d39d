"""Columns to items: explicit roles, nulls with a reason, fused rows."""

from __future__ import annotations

import numpy as np
import pandas
import pyarrow
import pytest
from paintings import painted

from volc_dashscope import ConfigError, Fused, Image, InputError, Video
from volc_dashscope.ray._rows import InputColumns


def _roles(text=None, image=None, video=None, root=None, fps=None):
    return InputColumns(text=text, image=image, video=video, root=root, fps=fps)


def _column(*cells):
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


def _items(roles, **batch):
    roles.check(batch)
    return list(roles.items(batch))


@pytest.mark.parametrize("text", ["a red shoe", "/etc/passwd", "https://example.com/a.png", "data:,x"])
def test_a_text_column_holds_text_whatever_it_looks_like(text):
    assert [text] == _items(_roles(text="t"), t=_column(text))


@pytest.mark.parametrize(
    "column", [np.array(["ab", "c"]), _column(np.str_("ab"), "c")], ids=["fixed width", "objects"]
)
def test_numpys_own_str_becomes_plain_str(column):
    items = _items(_roles(text="t"), t=column)

    assert ["ab", "c"] == items
    assert {str} == {type(item) for item in items}


def test_an_image_column_takes_bytes_paths_urls_and_pixels(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(painted())
    url = "https://example.com/a.png"

    items = _items(_roles(image="i"), i=_column(painted(), str(path), url, np.zeros((32, 32, 3), np.uint8)))

    assert [Image] * 4 == [type(item) for item in items]
    assert [Image.from_bytes(painted()).digest] * 2 == [item.digest for item in items[:2]]
    assert Image.from_url(url) == items[2]
    assert (32, 32) == (items[3].width, items[3].height)


def test_pixels_of_one_size_arrive_as_one_array():
    assert 3 == len(_items(_roles(image="i"), i=np.zeros((3, 32, 32, 3), np.uint8)))


def test_a_video_column_takes_urls_with_the_sampling_asked_for():
    url = "https://example.com/a.mp4"

    assert [Video.from_url(url, fps=0.5)] == _items(_roles(video="v", fps=0.5), v=_column(url))


def test_several_columns_are_fused_and_nulls_left_out():
    roles = _roles(text="t", image="i")

    items = _items(roles, t=_column("red", None, "red", ""), i=_column(painted(), painted(), None, painted()))

    assert [Fused, Image, str, Image] == [type(item) for item in items]


@pytest.mark.parametrize(
    "cell", [None, float("nan"), np.float32("nan"), ""], ids=["None", "nan", "float32 nan", "empty"]
)
def test_a_null_row_says_so(cell):
    (error,) = _items(_roles(text="caption"), caption=_column(cell))

    assert "nothing to embed: 'caption' is null or empty" == str(error)


@pytest.mark.parametrize(
    ("roles", "cell", "said"),
    [
        (_roles(text="c"), 7, "holds int; expected str"),
        (_roles(text="c"), b"x", "holds bytes; expected str"),
        (_roles(image="c"), b"not a picture", "image"),
        (_roles(image="c"), "no/such/file.png", "no/such/file.png"),
        (_roles(image="c"), 3.5, "holds float; expected bytes"),
        (_roles(image="c"), np.zeros((2, 2, 9), np.float64), "array of float64"),
        (_roles(video="c"), 7, "holds int; expected bytes"),
    ],
    ids=["number", "bytes as text", "corrupt", "missing file", "float", "odd pixels", "odd video"],
)
def test_a_bad_cell_is_its_rows_error_only(roles, cell, said):
    error, good = _items(roles, c=_column(cell, "https://example.com/a.mp4"))

    assert said in str(error)
    assert not isinstance(good, Exception)


def test_a_path_outside_the_root_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "a.png").write_bytes(painted())

    (error,) = _items(_roles(image="i", root=tmp_path / "in"), i=_column(str(tmp_path / "a.png")))

    assert isinstance(error, ValueError)


def test_a_missing_column_names_those_there_are():
    with pytest.raises(ConfigError, match="no column 'image'; it has: 'id', 'picture'"):
        _roles(image="image").check({"id": _column(1), "picture": _column(b"")})


def test_bytes_that_numpy_has_cut_are_refused():
    with pytest.raises(ConfigError, match="zero bytes"):
        _roles(image="i").check({"i": np.array([b"ab\0\0"])})


@pytest.mark.parametrize("names", [{}, {"text": "a", "image": "a"}], ids=["none", "one twice"])
def test_roles_name_one_column_each(names):
    with pytest.raises(ConfigError):
        _roles(**names)


@pytest.mark.parametrize(
    "cell",
    ["abc", b"abc", {"a": 1}, {"a", "b"}, np.array("a"), np.array([["a"]])],
    ids=lambda cell: type(cell).__name__,
)
def test_one_cell_is_no_column(cell):
    with pytest.raises(InputError, match=rf"column 't' must be a list, got one {type(cell).__name__}"):
        _items(_roles(text="t"), t=cell)


def test_a_batch_is_a_dict_of_columns():
    frame = pandas.DataFrame({"t": ["a", "b"]}, index=[1, 0])

    with pytest.raises(ConfigError, match="got DataFrame; use batch_format='numpy'"):
        _roles(text="t").check(frame)


def test_a_list_of_cells_is_a_column():
    assert ["a", "b"] == _items(_roles(text="t"), t=["a", "b"])


@pytest.mark.parametrize(
    "column",
    [
        pandas.Series(["a", "b"], index=[1, 0]),
        pandas.Series(["a", "b"], index=[7, 7]),
        pyarrow.array(["a", "b"]),
    ],
    ids=["a series in another order", "a series without the number 0", "arrow"],
)
def test_cells_are_found_by_position(column):
    """A row of a sorted or filtered table would otherwise get the vector of another."""
    assert ["a", "b"] == _items(_roles(text="t"), t=column)

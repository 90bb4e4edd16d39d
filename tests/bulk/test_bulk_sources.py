"""Every kind of source, end to end; and every kind of bad row, which is an entry in the error column."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bulk_runs import ARK, TEXT, VL, D, errors, rows, texts, vectors, write_lines
from canary import KEY
from paintings import MP4, painted

from volc_dashscope import ConfigError, Fused, Image, InputError, Video
from volc_dashscope.bulk import (
    Columns,
    PairColumns,
    Report,
    count_rows,
    embed_file,
    open_source,
    preview,
    rerank_file,
)
from volc_dashscope.emulator import Request, Response
from volc_dashscope.inputs import lone_surrogate
from volc_dashscope.rerank import Reranker


def _embed(mount: Any, source: Any, output: Path, *, model: str = TEXT, **settings: Any) -> Report:
    settings = {"dimensions": D, **settings} if model == TEXT else settings
    with mount.client(model, **settings) as client:
        return embed_file(source, output, model=client)


def _expected(mount: Any, items: list[Any], *, model: str = TEXT) -> Any:
    with mount.client(model, **({"dimensions": D} if model == TEXT else {})) as client:
        return client.embed(items).vectors


def _csv(folder: Path) -> Path:
    return write_lines(folder / "t.csv", ["id,text,more", "a,first,1", '"b","second, and\nlast",2'])


def _tsv(folder: Path) -> Path:
    return write_lines(folder / "t.tsv", ["id\ttext", "a\tfirst", 'b\t"second, and\nlast"'])


def _jsonl(folder: Path) -> Path:
    lines = [{"id": "a", "text": "first"}, {"text": "second, and\nlast", "id": "b", "more": [1]}]
    return write_lines(folder / "t.jsonl", map(json.dumps, lines))


def _parquet(folder: Path) -> Path:
    pq.write_table(pa.table({"text": ["first", "second, and\nlast"], "id": ["a", "b"]}), folder / "t.parquet")
    return folder / "t.parquet"


@pytest.mark.parametrize("make", [_csv, _tsv, _jsonl, _parquet], ids=["csv", "tsv", "jsonl", "parquet"])
def test_a_table_of_texts_becomes_vectors_with_their_ids(mount, tmp_path, make):
    report = _embed(mount, make(tmp_path), tmp_path / "out.parquet")

    assert ("done", 2, 0, None) == (report.state, report.rows, report.failed, report.failed_file)
    assert ["a", "b"] == [row["id"] for row in rows(tmp_path / "out.parquet")]
    assert np.array_equal(_expected(mount, ["first", "second, and\nlast"]), vectors(tmp_path / "out.parquet"))


def test_lines_of_text_are_numbered_and_may_end_as_on_any_system(inside, tmp_path):
    (tmp_path / "t.txt").write_bytes("\ufefffirst\r\nzwei\n最后".encode())

    _embed(inside, tmp_path / "t.txt", tmp_path / "out.parquet")

    assert [("0", 0), ("1", 1), ("2", 2)] == [
        (row["id"], row["row"]) for row in rows(tmp_path / "out.parquet")
    ]
    assert np.array_equal(_expected(inside, ["first", "zwei", "最后"]), vectors(tmp_path / "out.parquet"))


def test_the_output_has_float32_lists_of_fixed_size_in_row_groups_and_the_facts(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", texts(25))
    with inside.client(TEXT, dimensions=D) as client:
        embed_file(source, tmp_path / "out.parquet", model=client, group_rows=10)

    with pq.ParquetFile(tmp_path / "out.parquet") as file:
        schema, groups = file.schema_arrow, [file.metadata.row_group(n).num_rows for n in range(3)]
        facts = json.loads(schema.metadata[b"volc_dashscope"])

    assert pa.list_(pa.float32(), D) == schema.field("vector").type
    assert ["id", "row", "vector", "error"] == schema.names
    assert [10, 10, 5] == groups
    assert (TEXT, D, 25, 0) == (
        facts["identity"]["model"],
        facts["dimension"],
        facts["rows"],
        facts["failed"],
    )
    assert inside.emulator.ledger.tokens == facts["usage"]["total_tokens"]


def test_columns_have_any_name(inside, tmp_path):
    pq.write_table(
        pa.table({"key": [7, 8], "title": ["first", "last"], "text": ["no", "no"]}), tmp_path / "t.parquet"
    )
    source = open_source(tmp_path / "t.parquet", columns=Columns(text=("title",), id="key"))

    _embed(inside, source, tmp_path / "out.parquet")

    assert ["7", "8"] == [row["id"] for row in rows(tmp_path / "out.parquet")]
    assert np.array_equal(_expected(inside, ["first", "last"]), vectors(tmp_path / "out.parquet"))


def test_a_hidden_picture_does_not_make_a_folder_of_videos_suit_a_model_of_images(inside, tmp_path):
    folder = tmp_path / "media"
    (folder / "pictures.png").mkdir(parents=True)
    (folder / ".hidden.png").write_bytes(painted())
    (folder / "clip.mp4").write_bytes(MP4)

    with pytest.raises(InputError, match=r"^source 'media' holds videos, and "):
        _embed(inside, folder, tmp_path / "out.parquet", model="doubao-embedding-vision-250328")


def test_a_folder_gives_its_images_and_videos_by_their_names(inside, tmp_path):
    folder = tmp_path / "media"
    (folder / "deep").mkdir(parents=True)
    files = {
        "b.png": painted(),
        "a.PNG": painted(size=(48, 48)),
        "deep/c.mp4": MP4,
        "notes.txt": b"x",
        ".hidden.png": painted(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)

    report = _embed(inside, folder, tmp_path / "out.parquet", model=ARK)

    assert ["a.PNG", "b.png", "deep/c.mp4"] == [row["id"] for row in rows(tmp_path / "out.parquet")]
    assert (3, 1) == (report.rows, report.skipped_files)
    assert np.array_equal(
        _expected(
            inside,
            [
                Image.from_bytes(painted(size=(48, 48))),
                Image.from_bytes(painted()),
                Video.from_path(folder / "deep/c.mp4"),
            ],
            model=ARK,
        ),
        vectors(tmp_path / "out.parquet"),
    )


def test_text_and_media_columns_become_one_vector_a_row(inside, tmp_path):
    (tmp_path / "shoe.png").write_bytes(painted())
    table = {
        "text": ["red", "only text", None],
        "image": ["shoe.png", None, "https://pictures.example/1.png"],
    }
    pq.write_table(pa.table(table), tmp_path / "t.parquet")

    _embed(inside, tmp_path / "t.parquet", tmp_path / "out.parquet", model=VL)

    items = [
        Fused("red", Image.from_path(tmp_path / "shoe.png")),
        "only text",
        Image.from_url("https://pictures.example/1.png"),
    ]
    assert np.array_equal(_expected(inside, items, model=VL), vectors(tmp_path / "out.parquet"))


def test_images_may_be_bytes_in_a_column_also_as_datasets_keeps_them(inside, tmp_path):
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"image": pa.array([{"bytes": painted(), "path": None}], kind)})
    pq.write_table(table, tmp_path / "t.parquet")

    _embed(inside, tmp_path / "t.parquet", tmp_path / "out.parquet", model=VL)

    assert np.array_equal(
        _expected(inside, [Image.from_bytes(painted())], model=VL), vectors(tmp_path / "out.parquet")
    )


BAD_LINES: dict[str, tuple[str, str]] = {
    "not JSON": ("{", "row 1: the line is not a JSON object"),
    "a list": ("[1]", "row 1: the line is not a JSON object"),
    "a number": ('{"text": 5}', "row 1: the text is of type int; expected str"),
    "null": ('{"text": null}', "row 1: nothing to embed: every column is empty"),
    "empty": ('{"text": ""}', "row 1: nothing to embed: every column is empty"),
    "blank line": ("", "row 1: the line is not a JSON object"),
    "lone surrogate": ('{"text": "\\ud800"}', "row 1: the line is not a JSON object"),
    "missing file": ('{"image": "no.png"}', "does not exist"),
    "corrupt picture": ('{"image": "bad.png"}', "row 1: "),
    "outside": ('{"image": "../secret.png"}', "is outside root"),
    "zero byte": ('{"image": "a\\u0000.png"}', "row 1: the image is not a path: it contains a zero byte"),
    "folder": ('{"image": "folder"}', "is a directory"),
    "bad URL": ('{"image": "https://"}', "row 1: "),
    "unfit": ('{"image": "small.gif"}', "row 1: image format gif"),
}


@pytest.mark.parametrize(("line", "words"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_row_has_an_error_and_the_others_their_vectors(inside, tmp_path, line, words):
    (tmp_path / "in" / "folder").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(painted())
    (tmp_path / "in" / "bad.png").write_bytes(b"not a picture")
    (tmp_path / "in" / "small.gif").write_bytes(painted(kind="GIF"))
    source = write_lines(tmp_path / "in" / "t.jsonl", ['{"text": "first"}', line, '{"text": "last"}'])

    report = _embed(inside, source, tmp_path / "out.parquet", model=VL)

    found = errors(tmp_path / "out.parquet")
    assert ([1], 1) == (list(found), report.failed)
    assert found[1].startswith("row 1: ")
    assert words in found[1]
    assert ["first", "last"] == inside.emulator.ledger.texts


@pytest.mark.parametrize("pairs", [False, True], ids=["rows", "pairs"])
def test_an_id_in_another_encoding_is_an_error_of_its_row(inside, tmp_path, pairs):
    """Otherwise the output could not be written, after all of its rows were paid for."""
    head = b"id,query,document\n" if pairs else b"id,text,more\n"
    (tmp_path / "t.csv").write_bytes(head + b"caf\xe9,a,x\nb,b,y\n")
    output = tmp_path / "out.parquet"
    if pairs:
        source = open_source(tmp_path / "t.csv", columns=PairColumns())
        with Reranker("qwen3-rerank", api_key=KEY, http_client=inside.emulator.http_client()) as reranker:
            rerank_file(source, output, model=reranker)
    else:
        _embed(inside, tmp_path / "t.csv", output)

    found = rows(output)
    assert {("0", True), ("b", False)} == {(row["id"], row["error"] is not None) for row in found}
    assert "the id is not UTF-8 ('caf\\udce9')" in errors(output)[0]


def test_rows_of_a_csv_with_too_many_fields_or_foreign_bytes_are_errors(inside, tmp_path):
    (tmp_path / "t.csv").write_bytes(b"text,more\nfirst,1\na,b,c\n\xff\xfe,2\n\nlast,3\n")

    _embed(inside, tmp_path / "t.csv", tmp_path / "out.parquet")

    assert {
        1: "row 1: the row has 3 fields, the header 2",
        2: f"row 2: {lone_surrogate(0)}",
    } == errors(tmp_path / "out.parquet")
    assert ["first", "last"] == inside.emulator.ledger.texts


@pytest.mark.parametrize(
    "begin", [lambda source: list(source.records()), lambda source: source.kinds()], ids=["records", "kinds"]
)
def test_a_quote_in_the_header_that_is_not_closed_names_file_and_line(tmp_path, begin):
    (tmp_path / "t.csv").write_text('text,"more\nfirst,1\n')

    with pytest.raises(InputError, match=r"^the header of 't\.csv', line 1, cannot be read: unexpected end"):
        begin(open_source(tmp_path / "t.csv"))


def test_lines_that_are_no_text_are_errors(inside, tmp_path):
    (tmp_path / "t.txt").write_bytes(b"first\n\xff\xfe\n\nlast\n")

    _embed(inside, tmp_path / "t.txt", tmp_path / "out.parquet")

    assert {1: "row 1: the line is not UTF-8", 2: "row 2: the line is empty"} == errors(
        tmp_path / "out.parquet"
    )


def test_a_text_of_a_parquet_file_that_is_not_utf8_costs_its_own_row_only(inside, tmp_path):
    found = pa.array([b"first", b"\xff\xfe", b"last"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"id": ["a", "b", "c"], "text": found}), tmp_path / "t.parquet")

    _embed(inside, tmp_path / "t.parquet", tmp_path / "out.parquet")

    assert {1: "row 1: a text of the row is not UTF-8"} == errors(tmp_path / "out.parquet")
    assert ["first", "last"] == inside.emulator.ledger.texts


@pytest.mark.parametrize(
    "found",
    [
        pa.array([1, 2_000_000_000, 3], pa.int32()).cast(pa.date32()),
        pa.array([1, 10**12, 3], pa.timestamp("s")),
        pa.array([1, 2**62, 3], pa.duration("s")),
    ],
    ids=["date", "time", "duration"],
)
def test_a_time_that_python_cannot_hold_costs_its_own_row_only(inside, tmp_path, found):
    pq.write_table(pa.table({"id": found, "text": ["first", "second", "last"]}), tmp_path / "t.parquet")

    report = _embed(inside, tmp_path / "t.parquet", tmp_path / "out.parquet")

    assert (3, 1) == (report.rows, report.failed)
    assert "row 1: a value of the row cannot be represented in Python" in errors(tmp_path / "out.parquet")[1]
    assert ["first", "last"] == inside.emulator.ledger.texts


def test_an_unreadable_page_costs_its_own_rows_only(inside, tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(
        pa.table({"text": texts(30)}), path, row_group_size=10, compression="zstd", use_dictionary=False
    )
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(1).column(0)
        start, size = column.data_page_offset, column.total_compressed_size
    data = bytearray(path.read_bytes())
    data[start : start + size] = b"\xee" * size
    path.write_bytes(data)

    report = _embed(inside, path, tmp_path / "out.parquet")

    words = "row group 1 of the Parquet file cannot be read from this row on"
    assert {row: f"row {row}: {words}" for row in range(10, 20)} == errors(tmp_path / "out.parquet")
    assert (30, 10) == (report.rows, report.failed)
    assert {*texts(10), *texts(30)[20:]} == set(inside.emulator.ledger.texts)


def test_rows_before_an_unreadable_page_are_kept(inside, tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table({"text": [f"{text} {'x' * 100}" for text in texts(200)]})
    pages = {"data_page_size": 1024, "write_batch_size": 10, "use_dictionary": False}
    pq.write_table(table, path, row_group_size=200, compression="zstd", **pages)
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(0).column(0)
        start, size = column.data_page_offset, column.total_compressed_size
    data = bytearray(path.read_bytes())
    data[start + size // 2 : start + size] = b"\xee" * (size - size // 2)
    path.write_bytes(data)

    report = _embed(inside, path, tmp_path / "out.parquet")

    failed = sorted(errors(tmp_path / "out.parquet"))
    assert 80 <= failed[0] <= 100
    assert (200, list(range(failed[0], 200))) == (report.rows, failed)


def test_what_the_service_refuses_is_an_error_under_its_own_row(inside, tmp_path):
    """Row 0 is never sent, so that rows and what the client counts differ."""

    def refuse(request: Request, response: Response) -> Response | None:
        body = b'{"code": "DataInspectionFailed", "message": "no"}'
        blocked = b"text number 4" in request.body
        return (
            Response(status=400, headers={"content-type": "application/json"}, body=body) if blocked else None
        )

    source = write_lines(tmp_path / "t.txt", ["", *texts(9)])
    inside.emulator.reply_with(refuse)

    _embed(inside, source, tmp_path / "out.parquet")

    found = errors(tmp_path / "out.parquet")
    assert [0, 5] == list(found)
    assert "refused row 5 with 400 DataInspectionFailed" in found[5]


def test_failed_rows_can_be_fed_back(inside, tmp_path):
    lines = [
        {"id": "a", "text": "first"},
        {"id": "b", "image": "late.png", "text": "red"},
        {"id": "c", "text": 5},
    ]
    source = write_lines(tmp_path / "t.jsonl", map(json.dumps, lines))
    first = _embed(inside, source, tmp_path / "out.parquet", model=VL)
    (tmp_path / "late.png").write_bytes(painted())
    assert first.failed_file is not None

    again = _embed(inside, first.failed_file, tmp_path / "again.parquet", model=VL)

    assert ["b", "c"] == [json.loads(line)["id"] for line in first.failed_file.read_text().splitlines()]
    assert (2, 1) == (again.rows, again.failed)
    assert [("b", True), ("c", False)] == [
        (row["id"], row["vector"] is not None) for row in rows(tmp_path / "again.parquet")
    ]
    assert np.allclose(
        _expected(inside, [Fused("red", Image.from_path(tmp_path / "late.png"))], model=VL)[0],
        rows(tmp_path / "again.parquet")[0]["vector"],
    )


def test_a_part_that_json_cannot_hold_leaves_no_other_part_in_its_place(inside, tmp_path):
    """The text alone would get the id of both, and a date would be a text."""
    pixel = b"no picture"
    days = [date(2026, 1, 2), date(2026, 1, 3)]
    pq.write_table(pa.table({"text": ["red", "blue"], "image": [pixel, pixel]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": days, "id": ["a", "b"]}), tmp_path / "b.parquet")
    for name in ("a", "b"):
        first = _embed(inside, tmp_path / f"{name}.parquet", tmp_path / f"{name}-out.parquet", model=VL)
        assert (2, True) == (first.failed, first.failed_file is not None)
        with pytest.raises(InputError, match="no column called text, image or video"):
            _embed(inside, first.failed_file, tmp_path / f"{name}-again.parquet", model=VL)


@pytest.mark.parametrize("kind", ["table", "folder"])
def test_failed_rows_name_the_pictures_of_their_source(inside, tmp_path, kind):
    """In the folder of the output, the same path may lead to another picture."""
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    (home / "a.png").write_bytes(b"broken")
    (other / "a.png").write_bytes(painted("blue"))
    source = write_lines(home / "t.csv", ["image", "a.png"]) if kind == "table" else home
    first = _embed(inside, source, other / "out.parquet", model=VL)
    (home / "a.png").write_bytes(painted("red"))
    assert first.failed_file is not None

    refused = _embed(inside, first.failed_file, other / "refused.parquet", model=VL)
    again = open_source(first.failed_file, media_root=home)
    report = _embed(inside, again, other / "again.parquet", model=VL)

    assert (1, 0) == (refused.failed, report.failed)
    assert "is outside root" in errors(other / "refused.parquet")[0]
    assert np.allclose(
        _expected(inside, [Image.from_path(home / "a.png")], model=VL), vectors(other / "again.parquet")
    )


def test_a_source_whose_rows_are_all_bad_has_an_output_all_the_same(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", ["", ""])

    report = _embed(inside, source, tmp_path / "out.parquet")

    assert (2, 2) == (report.rows, report.failed)
    assert [None, None] == [row["vector"] for row in rows(tmp_path / "out.parquet")]


def test_a_model_that_is_not_in_the_table_tells_its_dimension_with_its_first_reply(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", ["", *texts(3)])
    with inside.client("ep-20261121-abcde", provider="ark") as client:
        embed_file(source, tmp_path / "out.parquet", model=client, group_rows=1)

    lengths = [row["vector"] and len(row["vector"]) for row in rows(tmp_path / "out.parquet")]
    assert [None, 2048, 2048, 2048] == lengths


def _twice() -> bytes:
    sink = pa.BufferOutputStream()
    column = pa.array(["a"])
    pq.write_table(pa.Table.from_arrays([column, column], names=["text", "text"]), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "content", "settings", "kind", "words"),
    [
        ("t.txt", None, {}, InputError, "does not exist"),
        ("t.xyz", b"x", {}, ConfigError, "no known file extension"),
        ("t.csv", b"a,b\n1,2\n", {}, InputError, "no column called text, image or video"),
        ("t.csv", b"a,b\n1,2\n", {"columns": Columns(text=("c",))}, InputError, "no column 'c'"),
        ("t.csv", b"text,text\na,b\n", {}, InputError, "several columns 'text'"),
        ("t.tsv", b"id\ttext\tid\n1\ta\t2\n", {}, InputError, "several columns 'id'"),
        ("t.csv", b"a,b,a\n1,2,3\n", {"columns": Columns(text=("a",))}, InputError, "several columns 'a'"),
        ("t.parquet", _twice(), {}, InputError, "several columns 'text'"),
        (
            "t.txt",
            b"x\n",
            {"encoding": "rot13"},
            ConfigError,
            "is not a text encoding; examples: utf-8, gb18030",
        ),
        ("t.txt", b"x\n", {"encoding": 3}, ConfigError, "^3 is not a text encoding"),
        (
            "t.csv",
            b"x\n",
            {"encoding": "undefined"},
            ConfigError,
            "is not a text encoding; examples: utf-8, gb18030",
        ),
        ("t.parquet", b"no Parquet", {}, InputError, "cannot be read as Parquet"),
        ("t.txt", b"x\n", {"columns": Columns(text=("c",))}, ConfigError, "has no columns"),
        ("t.txt", b"x\n", {"format": "folder"}, ConfigError, "is not a folder"),
        ("t.txt", b"x\n", {"media_root": "nowhere"}, InputError, "is not a folder"),
        ("t.txt", b"", {}, InputError, "has no rows"),
    ],
    ids=[
        "missing",
        "ending",
        "columns",
        "column",
        "twice",
        "ids",
        "named",
        "arrow",
        "bytes",
        "number",
        "no encoding",
        "not Parquet",
        "text",
        "folder",
        "root",
        "empty",
    ],
)
def test_a_source_that_is_none_is_refused_as_a_whole(inside, tmp_path, name, content, settings, kind, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(kind, match=words):
        _embed(inside, open_source(tmp_path / name, **settings), tmp_path / "out.parquet")

    assert 0 == len(inside.emulator.ledger)
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("kind", ["text", "image", "video"])
@pytest.mark.parametrize("make", [Columns, PairColumns], ids=["columns", "pairs"])
def test_one_name_is_no_list_of_columns(make, kind):
    with pytest.raises(ConfigError, match=f"{kind} must be a tuple of column names, got 'ab'"):
        make(**{kind: "ab"})


UNCLOSED = {
    "to the end": (b'text\none\n"two\nthree\nfour\n', ["one"], {1: "unexpected end of data"}),
    "to the next": (b'text\n"two\nthree\n"four"\nfive\n', ["five"], {0: "expected after"}),
}


@pytest.mark.parametrize(("content", "sent", "words"), UNCLOSED.values(), ids=UNCLOSED)
def test_a_quote_that_is_not_closed_makes_no_text_of_other_rows(inside, tmp_path, content, sent, words):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    _embed(inside, path, tmp_path / "out.parquet")
    found = errors(tmp_path / "out.parquet")

    assert sent == inside.emulator.ledger.texts
    assert words.keys() == found.keys()
    assert all(reason in found[row] for row, reason in words.items())


@pytest.mark.parametrize(
    ("ids", "found"),
    [([101.0, 102.0], ["101", "102"]), ([101.0, None], ["101", "1"]), ([1.5, float("nan")], ["1.5", "1"])],
    ids=["whole", "missing", "broken"],
)
def test_ids_that_pandas_made_floats_are_kept(inside, tmp_path, ids, found):
    pq.write_table(pa.table({"id": pa.array(ids, pa.float64()), "text": ["a", "b"]}), tmp_path / "t.parquet")
    _embed(inside, tmp_path / "t.parquet", tmp_path / "out.parquet")

    assert found == [row["id"] for row in rows(tmp_path / "out.parquet")]


@pytest.mark.parametrize(
    ("ids", "found", "words"),
    [
        (pa.array(["商品-1", "b"]).cast(pa.binary()), ["商品-1", "b"], {}),
        (
            pa.array([b"a", b"\xff\xfe"]),
            ["a", "1"],
            {1: "row 1: column 'sku' is of type bytes here; expected text or a number"},
        ),
        (
            pa.array([["a"], None]),
            ["0", "1"],
            {
                0: "row 0: column 'sku' is of type list here; expected text or a number",
                1: "row 1: column 'sku' has no id in this row",
            },
        ),
        (pa.array(["a", ""]), ["a", "1"], {1: "row 1: column 'sku' has no id in this row"}),
    ],
    ids=["text as bytes", "bytes", "lists", "empty"],
)
def test_an_id_is_text_or_a_number(inside, tmp_path, ids, found, words):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"sku": ids, "text": ["a", "b"]}), path)
    source = open_source(path, columns=Columns(text=("text",), id="sku"))
    _embed(inside, source, tmp_path / "out.parquet")

    assert found == [row["id"] for row in rows(tmp_path / "out.parquet")]
    assert words == errors(tmp_path / "out.parquet")


ENCODED = {
    "GBK": ("gbk", "简体中文的文字。我喜欢猫。\n北京是很大的城市。\n", "gb18030"),
    "GBK, a table": ("gbk", "标题,价格\n红色的椅子,3\n", "gb18030"),
    "EUC-KR": ("euc-kr", "한국어 문장입니다. 고양이를 좋아합니다.\n서울은 큰 도시입니다.\n", None),
    "EUC-JP": ("euc-jp", "日本語のテキストです。猫が好きです。\n東京は大きい都市です。\n", None),
    "Shift-JIS": ("shift_jis", "日本語のテキストです。猫が好きです。\n", None),
    "Big5": ("big5", "繁體中文的文字。我喜歡貓。\n台北是很大的城市。\n", None),
    "Latin-1": ("latin-1", "Le café est fermé jusqu'à Noël.\n", None),
    "Cyrillic": ("cp1251", "Привет, как дела? Это русский текст.\n", None),
    "KOI8-R": ("koi8-r", "Привет, как дела? Это русский текст.\n", None),
    "Greek": ("cp1253", "Η γάτα κοιμάται στον ήλιο.\n", None),
    "Thai": ("cp874", "แมวนอนอยู่บนเสื่อ\n", None),
}


@pytest.mark.parametrize(("encoding", "text", "found"), ENCODED.values(), ids=ENCODED)
def test_only_chinese_is_taken_for_gbk(tmp_path, encoding, text, found):
    """Letters of another encoding, read as Chinese ones, would be embedded and believed."""
    path = tmp_path / "t.txt"
    path.write_bytes(text.encode(encoding))

    assert found == open_source(path).encoding


@pytest.mark.parametrize("make", [_jsonl, _parquet], ids=["jsonl", "parquet"])
def test_rows_are_counted_where_that_is_cheap(tmp_path, make):
    assert 2 == count_rows(open_source(make(tmp_path)))
    assert 3 == count_rows(open_source(write_lines(tmp_path / "t.txt", texts(3))))
    assert None is count_rows(open_source(_csv(tmp_path)))


def test_a_watched_scan_reports_its_step_and_progress(tmp_path):
    for number in range(250):
        folder = tmp_path / str(number % 3)
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.png").touch()
    progress: list[tuple[str, int]] = []
    source = open_source(tmp_path, watch=lambda step, number: progress.append((step, number)))

    def steps(scan: Callable[[], object]) -> list[tuple[str, int]]:
        progress.clear()
        scan()
        return sorted(progress)

    found = [("found", 100), ("found", 200)]
    assert found == steps(lambda: count_rows(source))
    assert [("checked", 100), ("checked", 200)] == steps(source.layout)
    assert [("read", 100), ("read", 200)] == steps(source.content)
    assert {*found, ("counted", 100), ("counted", 200)} == {*steps(lambda: preview(source, model=VL))}


def test_rows_of_a_table_are_counted_for_a_preview(tmp_path):
    progress: list[tuple[str, int]] = []
    lines = write_lines(tmp_path / "t.txt", texts(250))

    preview(open_source(lines, watch=lambda step, number: progress.append((step, number))), model=TEXT)

    assert [("counted", 100), ("counted", 200)] == progress


def test_media_root_may_be_another_folder_than_that_of_the_table(inside, tmp_path):
    for folder in ("tables", "media"):
        (tmp_path / folder).mkdir()
    (tmp_path / "media" / "a.png").write_bytes(painted())
    table = write_lines(tmp_path / "tables" / "t.csv", ["image", "a.png", "../tables/t.csv"])

    _embed(inside, open_source(table, media_root=tmp_path / "media"), tmp_path / "out.parquet", model=VL)

    found = errors(tmp_path / "out.parquet")
    assert [1] == list(found)
    assert "is outside root" in found[1]


def test_a_million_bad_rows_in_a_row_are_not_kept_in_memory(inside, tmp_path):
    """Scaled down: rows that need no request are finished as they are read, group by group."""
    source = write_lines(tmp_path / "t.txt", [*[""] * 5000, "last"])
    seen: list[int] = []
    with inside.client(TEXT, dimensions=D) as client:
        embed_file(
            source,
            tmp_path / "out.parquet",
            model=client,
            group_rows=500,
            watch=lambda finished, failed, usage: seen.append(
                len(list(tmp_path.glob("*.partial/*.parquet")))
            ),
        )

    assert 10 == max(seen)
    assert [*range(5000)] == list(errors(tmp_path / "out.parquet"))


def test_the_names_of_a_folder_are_read_once_for_its_preview(tmp_path):
    """Whether the model takes what is there is known from the first file."""
    for number in range(120):
        (tmp_path / f"{number}.png").write_bytes(painted("red"))
    scanned: list[tuple[str, int]] = []
    source = open_source(tmp_path, watch=lambda step, number: scanned.append((step, number)))

    found = preview(source, model=ARK)

    assert (120, 0) == (found.rows, found.bad)
    assert [("found", 100), ("counted", 100)] == scanned

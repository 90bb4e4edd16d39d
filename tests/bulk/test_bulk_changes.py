"""What changes between two runs of a job is noticed, wherever the change is."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import paintings
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bulk_runs import ARK, TEXT, VL, D, rows, texts, write_lines
from canary import KEY

from volc_dashscope import Client, ConfigError, EmbeddingError, ServiceUnavailableError, get_model_info
from volc_dashscope.bulk import Columns, PairColumns, embed_file, open_source, preview, rerank_file
from volc_dashscope.rerank import Reranker

RED, BLUE = paintings.painted("red"), paintings.painted("blue")


def _csv(folder: Path) -> Path:
    return write_lines(folder / "t.csv", ["image", "media/a.png", "https://pictures.example/b.png"])


def _jsonl(folder: Path) -> Path:
    return write_lines(folder / "t.jsonl", ['{"text": "first"}', '{"image": "media/a.png"}', "{"])


def _uri(folder: Path) -> Path:
    return write_lines(folder / "t.jsonl", [f'{{"image": "{(folder / "media" / "a.png").as_uri()}"}}'])


def _parquet(folder: Path) -> Path:
    pq.write_table(pa.table({"image": ["media/a.png", None], "text": ["a", "b"]}), folder / "t.parquet")
    return folder / "t.parquet"


def _dataset(folder: Path) -> Path:
    cells = [{"bytes": None, "path": "media/a.png"}, {"bytes": BLUE, "path": "there/is/none.png"}]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(cells, kind)}), folder / "t.parquet")
    return folder / "t.parquet"


tables = pytest.mark.parametrize(
    "make",
    [_csv, _jsonl, _uri, _parquet, _dataset],
    ids=["csv", "jsonl", "file URIs", "parquet", "datasets"],
)


def _painted(path: Path, content: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


@tables
def test_a_table_is_another_source_once_a_picture_it_names_is_another(inside, tmp_path, make):
    table = make(tmp_path)
    picture = _painted(tmp_path / "media" / "a.png", RED)
    with inside.client(VL) as client:
        first = embed_file(table, tmp_path / "out.parquet", model=client)
        os.utime(picture, (1, 1))
        again = embed_file(table, tmp_path / "out.parquet", model=client)
        picture.write_bytes(BLUE)
        with pytest.raises(ConfigError, match="source has changed; restore it"):
            embed_file(table, tmp_path / "out.parquet", model=client)
        picture.unlink()
        with pytest.raises(ConfigError, match="source has changed; restore it"):
            embed_file(table, tmp_path / "out.parquet", model=client)

    assert (0, first.rows) == (first.resumed, again.resumed)


@pytest.mark.parametrize("escape", [str, str.upper], ids=["small letters", "capitals"])
def test_a_column_may_be_written_in_escapes(inside, tmp_path, escape):
    name = "".join(f"\\u{escape(f'{ord(letter):04x}')}" for letter in "图片")
    table = write_lines(tmp_path / "t.jsonl", [f'{{"{name}": "media/a.png"}}'])
    picture = _painted(tmp_path / "media" / "a.png", RED)
    source = open_source(table, columns=Columns(image=("图片",)))
    with inside.client(VL) as client:
        embed_file(source, tmp_path / "out.parquet", model=client)
        picture.write_bytes(BLUE)

        with pytest.raises(ConfigError, match="source has changed"):
            embed_file(source, tmp_path / "out.parquet", model=client)


def test_pictures_of_another_media_root_are_another_source(inside, tmp_path):
    table = write_lines(tmp_path / "t.csv", ["image", "a.png"])
    roots = [
        _painted(tmp_path / name / "a.png", content).parent for name, content in [("r", RED), ("b", BLUE)]
    ]
    with inside.client(VL) as client:
        embed_file(open_source(table, media_root=roots[0]), tmp_path / "out.parquet", model=client)

        with pytest.raises(ConfigError, match="source has changed"):
            embed_file(open_source(table, media_root=roots[1]), tmp_path / "out.parquet", model=client)


@pytest.mark.parametrize("column", ["photo", "asked"], ids=["documents", "queries"])
def test_pictures_of_pairs_count_too(inside, tmp_path, column):
    line = orjson.dumps({"asked": "media/q.png", "photo": ["media/a.png", "media/b.png"]}).decode()
    names = {"asked": "q.png", "photo": "b.png"}
    for name in ("q", "a", "b"):
        _painted(tmp_path / "media" / f"{name}.png", RED)
    columns = PairColumns(query_image="asked", image=("photo",))
    source = open_source(write_lines(tmp_path / "t.jsonl", [line]), columns=columns)
    with Reranker("qwen3-vl-rerank", api_key=KEY, http_client=inside.emulator.http_client()) as reranker:
        rerank_file(source, tmp_path / "out.parquet", model=reranker)
        (tmp_path / "media" / names[column]).write_bytes(BLUE)

        with pytest.raises(ConfigError, match="source has changed"):
            rerank_file(source, tmp_path / "out.parquet", model=reranker)


def test_a_table_reads_no_file_outside_its_media_root(inside, tmp_path):
    """Its digest is taken of files that may be embedded, and a pipe is not waited for."""
    home = tmp_path / "home"
    outside = _painted(tmp_path / "outside.png", RED)
    home.mkdir()
    os.mkfifo(home / "pipe.png")
    _painted(home / "a.png", BLUE)
    lines = ["image", "../outside.png", "pipe.png", "a\0.png", "a.png", "/dev/zero"]
    source = open_source(write_lines(home / "t.csv", lines))

    before = source.content()
    outside.write_bytes(BLUE)

    assert before == source.content()


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_a_huge_file_is_not_read_to_its_end(tmp_path, kind):
    """A sparse one takes no disk and hours."""
    with (tmp_path / "huge.png").open("wb") as file:
        file.write(paintings.painted())
        file.truncate(100 * 1024**3)
    table = tmp_path / "rows.csv"
    table.write_text("image\nhuge.png\n", encoding="utf-8")
    source = open_source(tmp_path if kind == "folder" else table)
    begun = Path("/proc/self/io").read_text("ascii")

    source.content()

    read = [int(text.split()[1]) for text in (begun, Path("/proc/self/io").read_text("ascii"))]
    assert read[1] - read[0] < 300 * 1024**2


@pytest.mark.parametrize("folder", [False, True], ids=["a table", "a folder"])
def test_other_bytes_of_the_same_size_and_time_are_another_source(inside, tmp_path, folder):
    """Archives, `rsync --times` and reproducible builds give files the times they want."""
    home = tmp_path / "photos"
    place = _painted(home / "a.png", RED) if folder else write_lines(tmp_path / "t.txt", ["one"])
    source = home if folder else place
    other = RED[:-12] + bytes(12) if folder else b"two\n"
    with inside.client(VL) as client:
        os.utime(place, (7, 7))
        embed_file(source, tmp_path / "out.parquet", model=client)
        place.write_bytes(other)
        os.utime(place, (7, 7))

        with pytest.raises(ConfigError, match="source has changed"):
            embed_file(source, tmp_path / "out.parquet", model=client)


def test_texts_that_are_cut_elsewhere_are_other_rows(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", ["word " * 50])
    row = get_model_info(TEXT)
    assert row is not None
    with inside.client(TEXT, truncate=True, model_info=replace(row, max_tokens=10)) as client:
        embed_file(source, tmp_path / "out.parquet", model=client)

    with (
        inside.client(TEXT, truncate=True, model_info=replace(row, max_tokens=20)) as client,
        pytest.raises(ConfigError, match="started with truncate"),
    ):
        embed_file(source, tmp_path / "out.parquet", model=client)


@pytest.mark.parametrize("way", ["a link", "dots"])
def test_a_source_of_failed_rows_is_kept_whatever_its_path_looks_like(inside, tmp_path, way):
    folder = tmp_path / "real"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    lines = write_lines(folder / "out.failed.jsonl", ['{"text": "hello"}'])
    source = (tmp_path / "link" if way == "a link" else folder / ".." / "real") / lines.name
    with inside.client(TEXT, dimensions=D) as client:
        embed_file(source, folder / "out.parquet", model=client)

    assert lines.exists()


def test_ids_of_any_length_are_kept_digit_by_digit(inside, tmp_path):
    ids = ["123456789012345678901234567890", "123456789012345678901234567891", "18446744073709551616", "7"]
    source = write_lines(tmp_path / "t.jsonl", [f'{{"id": {each}, "text": "a"}}' for each in ids])
    with inside.client(TEXT, dimensions=D) as client:
        embed_file(source, tmp_path / "out.parquet", model=client)

    assert ids == [row["id"] for row in rows(tmp_path / "out.parquet")]


def _of_length(length: int) -> Client:
    """Return a client of a model that is not in the table, which answers vectors of this length."""

    def answer(request: httpx.Request) -> httpx.Response:
        name = orjson.loads(request.read())["model"]
        body: Any = {"model": name, "data": {"embedding": [1.0] * length}, "usage": {"total_tokens": 1}}
        return httpx.Response(200, json=body)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return Client("ep-1", provider="ark", api_key=KEY, http_client=http, max_concurrency=1, max_retries=0)


@pytest.mark.parametrize("learned", [False, True], ids=["a new client", "one that was used"])
@pytest.mark.parametrize("length", [1, 16])
def test_rows_of_another_length_do_not_join_finished_ones(tmp_path, length, learned):
    """A vector of one number would otherwise fill a whole row."""
    source, output = write_lines(tmp_path / "t.txt", texts(2000)), tmp_path / "out.parquet"
    stop = threading.Event()
    with _of_length(8) as client:
        begun = embed_file(source, output, model=client, stop=stop, watch=lambda *_: stop.set())

    words = f"has vectors of dimension 8, and the model's have {length}"
    with _of_length(length) as client:
        if learned:
            client.embed(["before"])
        with pytest.raises(
            EmbeddingError, match=words if learned else f"a vector of length {length} instead of 8"
        ):
            embed_file(source, output, model=client)

    assert begun.rows < 2000


def _endpoint(model: str | None, sent: list[httpx.Request], most: int = 8, **settings: Any) -> Client:
    """A client of an endpoint id, and what is sent to it, behind which there is a model."""
    body: Any = {"data": {"embedding": [1.0] * 2048}, "usage": {"total_tokens": 1}}

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=body if model is None else {**body, "model": model})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return Client("ep-1", base_model=ARK, api_key=KEY, http_client=http, max_concurrency=most, **settings)


def _begun(source: Path, output: Path, model: str | None) -> int:
    """Embed some rows of a source; return how many are finished."""
    stop = threading.Event()
    with _endpoint(model, [], 1) as client:
        return embed_file(source, output, model=client, stop=stop, watch=lambda *_: stop.set()).rows


def test_rows_of_another_model_do_not_join_finished_ones(tmp_path):
    """The endpoint id was given another model between two runs; their vectors cannot be compared."""
    source, output = write_lines(tmp_path / "t.txt", texts(2000)), tmp_path / "out.parquet"
    begun = _begun(source, output, "model-a")
    sent: list[httpx.Request] = []

    words = "has vectors of model 'model-a', and the service now answers with 'model-b'.*--restart"
    for _ in range(2):
        sent.clear()
        with _endpoint("model-b", sent) as client, pytest.raises(ConfigError, match=words):
            embed_file(source, output, model=client)

        assert 1 == len(sent)

    with _endpoint("model-a", []) as client:
        done = embed_file(source, output, model=client)

    assert (2000, begun, 0) == (done.rows, done.resumed, done.failed)


def test_requests_of_a_continued_job_do_not_wait_for_a_service_that_fails(tmp_path):
    """The first reply shows the model. If the first request fails, the others are not sent one after the other."""
    source, output = write_lines(tmp_path / "t.txt", texts(200)), tmp_path / "out.parquet"
    _begun(source, output, "model-a")
    in_flight: list[int] = []
    most = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal most
        in_flight.append(1)
        most = max(most, len(in_flight))
        time.sleep(0.05)
        in_flight.pop()
        return httpx.Response(503, json={})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    settings = {"base_model": ARK, "api_key": KEY, "http_client": http, "max_retries": 0}
    with Client("ep-1", **settings) as client, pytest.raises(ServiceUnavailableError):
        embed_file(source, output, model=client)

    assert most > 1


def test_rows_of_the_cache_do_not_stand_for_the_first_reply(tmp_path):
    """No second request of a continued job is sent before a reply has shown its model."""
    known = texts(40)
    source, output = (
        write_lines(tmp_path / "t.txt", ["first", *known, *texts(200)[40:]]),
        tmp_path / "out.parquet",
    )
    replies = iter([httpx.Response(200, json={"data": {"embedding": [1.0] * 2048}, "model": "model-a"})])
    http = httpx.Client(transport=httpx.MockTransport(lambda _: next(replies, httpx.Response(401, json={}))))
    settings = {"base_model": ARK, "api_key": KEY, "http_client": http, "max_concurrency": 1}
    with Client("ep-1", **settings) as client, pytest.raises(EmbeddingError, match="401"):
        embed_file(source, output, model=client)
    sent: list[httpx.Request] = []
    cache: dict[str, bytes] = {}
    with _endpoint("model-a", [], cache=cache) as client:
        client.embed(known)

    with _endpoint("model-b", sent, cache=cache) as client, pytest.raises(ConfigError, match="--restart"):
        embed_file(source, output, model=client)

    assert 1 == len(sent)


def test_a_restart_takes_the_new_model(tmp_path):
    source, output = write_lines(tmp_path / "t.txt", texts(50)), tmp_path / "out.parquet"
    _begun(source, output, "model-a")

    with _endpoint("model-b", []) as client:
        done = embed_file(source, output, model=client, restart=True)

    assert (50, 0) == (done.rows, done.failed)


@pytest.mark.parametrize("names", [("model-a", None), (None, "model-b"), (None, None)])
def test_a_reply_that_names_no_model_joins_any(tmp_path, names):
    source, output = write_lines(tmp_path / "t.txt", texts(50)), tmp_path / "out.parquet"
    begun = _begun(source, output, names[0])

    with _endpoint(names[1], []) as client:
        done = embed_file(source, output, model=client)

    assert (50, begun, 0) == (done.rows, done.resumed, done.failed)


def test_a_source_that_is_gone_at_the_end_fails_no_finished_job(inside, tmp_path):
    source, output = write_lines(tmp_path / "t.txt", texts(3)), tmp_path / "out.parquet"
    left = write_lines(tmp_path / "out.failed.jsonl", ["of an earlier job"])
    with inside.client(TEXT, dimensions=D) as client:
        report = embed_file(source, output, model=client, watch=lambda *_: source.unlink(missing_ok=True))

    assert ("done", False, True) == (report.state, left.exists(), output.exists())


def test_a_column_of_texts_that_look_like_paths_names_no_file(inside, tmp_path):
    source = write_lines(tmp_path / "t.csv", ["title", "a.png"])
    _painted(tmp_path / "a.png", RED)
    opened = open_source(source, columns=Columns(text=("title",)))

    before = opened.layout()
    (tmp_path / "a.png").unlink()

    assert before == opened.layout()


@pytest.mark.parametrize("left", [None, "garbage\n"], ids=["deleted", "edited"])
def test_a_finished_job_says_why_rows_failed_whatever_became_of_their_list(command, left):
    write_lines(command.folder / "t.txt", ["one", "", "two"])
    line = ("embed", "t.txt", "-m", TEXT, "-d", D, "-o", "out.parquet", "--json")
    listed = command.folder / "out.failed.jsonl"
    first, content = command(*line), listed.read_bytes()
    listed.unlink() if left is None else listed.write_text(left)

    again = command(*line)

    assert (1, 1, "") == (first.code, again.code, again.err.partition("Traceback")[1])
    assert [{"reason": "the line is empty", "count": 1}] == orjson.loads(again.out)["reasons"]
    assert (content if left is None else left.encode()) == listed.read_bytes()


def test_a_missing_list_of_failed_queries_is_written_again(inside, tmp_path):
    lines = ['{"query": "a", "document": ["x", null]}', '{"query": "b", "document": "y"}']
    source = open_source(write_lines(tmp_path / "t.jsonl", lines), columns=PairColumns())
    with Reranker("qwen3-rerank", api_key=KEY, http_client=inside.emulator.http_client()) as reranker:
        first = rerank_file(source, tmp_path / "out.parquet", model=reranker)
        assert first.failed_file is not None
        content = first.failed_file.read_bytes()
        first.failed_file.unlink()

        again = rerank_file(source, tmp_path / "out.parquet", model=reranker)

    assert (first.failed_file, content) == (again.failed_file, first.failed_file.read_bytes())


def test_outputs_that_differ_in_their_ending_have_a_list_each(inside, tmp_path):
    bad, good = write_lines(tmp_path / "t.txt", ["one", ""]), write_lines(tmp_path / "u.txt", ["one"])
    with inside.client(TEXT, dimensions=D) as client:
        first = embed_file(bad, tmp_path / "out.parquet", model=client)
        embed_file(good, tmp_path / "out.pq", model=client)

    assert first.failed_file is not None
    assert first.failed_file.exists()


@pytest.mark.parametrize("facts", [{"rows": 1}, {"identity": None}, [], {"identity": {}}], ids=str)
def test_an_output_of_another_program_or_version_is_refused(inside, tmp_path, facts):
    table = pa.table({"id": ["1"]}).replace_schema_metadata({"volc_dashscope": orjson.dumps(facts)})
    pq.write_table(table, tmp_path / "out.parquet")
    with inside.client(TEXT, dimensions=D) as client, pytest.raises(ConfigError, match="use another"):
        embed_file(write_lines(tmp_path / "t.txt", ["one"]), tmp_path / "out.parquet", model=client)


def test_an_output_whose_facts_are_of_another_version_is_refused(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", ["one"])
    with inside.client(TEXT, dimensions=D) as client:
        embed_file(source, tmp_path / "out.parquet", model=client)
        table = pq.read_table(tmp_path / "out.parquet")
        facts = orjson.loads(table.schema.metadata[b"volc_dashscope"])
        del facts["usage"]
        pq.write_table(
            table.replace_schema_metadata({"volc_dashscope": orjson.dumps(facts)}), tmp_path / "out.parquet"
        )

        with pytest.raises(ConfigError, match="written by another version"):
            embed_file(source, tmp_path / "out.parquet", model=client)


@pytest.mark.parametrize("kind", ["rows", "queries"])
def test_a_dry_run_tells_what_is_still_to_be_paid(command, kind):
    """Nothing for a finished output, and for a restart all of it."""
    write_lines(command.folder / "t.csv", ["query,document,text", "a,x,one", "b,y,two"])
    line = (
        ("embed", "t.csv", "-m", TEXT, "-d", D)
        if kind == "rows"
        else ("rerank", "t.csv", "-m", "qwen3-rerank")
    )
    line = (*line, "-o", "out.parquet")
    before = orjson.loads(command(*line, "--dry-run", "--json").out)
    done = command(*line)

    after = orjson.loads(command(*line, "--dry-run", "--json").out)
    again = orjson.loads(command(*line, "--restart", "--dry-run", "--json").out)

    assert 0 == done.code
    assert (2, 0, 0) == (after["finished"], after["requests"], after["tokens"][1])
    assert before == again


def test_a_dry_run_of_a_restart_counts_what_is_finished_in_part(inside, tmp_path):
    source, stop = write_lines(tmp_path / "t.txt", texts(2000)), threading.Event()
    with inside.client(TEXT, dimensions=D, max_concurrency=1) as client:
        embed_file(source, tmp_path / "out.parquet", model=client, stop=stop, watch=lambda *_: stop.set())

    left = preview(source, tmp_path / "out.parquet", model=TEXT)
    whole = preview(source, tmp_path / "out.parquet", model=TEXT, restart=True)

    assert left.finished > 0
    assert (0, 2000) == (whole.finished, whole.items)

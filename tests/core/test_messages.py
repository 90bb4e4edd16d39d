"""Messages about wrong arguments name the argument, what was seen and what is allowed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from llama_index.core.schema import MediaResource, Node

from langchain_volc_dashscope import DashScopeEmbeddings, langgraph_index
from llama_index_ext.media import parts_of
from volc_dashscope import Client, ConfigError, InputError
from volc_dashscope.bulk import Columns, open_source, rerank_file
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.emulator import Fault
from volc_dashscope.jobs import BatchJobs, FileJobs
from volc_dashscope.ray import Embedder

TEXT = "text-embedding-v4"


def _client(**settings: Any) -> Client:
    return Client(TEXT, api_key="k", **settings)


def _sized(folder: Path, size: int) -> Path:
    path = folder / "lines.jsonl"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def _table(folder: Path) -> Path:
    path = folder / "pairs.csv"
    path.write_text("query,document\na,b\n")
    return path


def _texts(folder: Path) -> Path:
    path = folder / "texts.txt"
    path.write_text("a\n")
    return path


def _video_node(data: bytes) -> Node:
    video = MediaResource(url="https://h/a")
    video.data = data  # core encodes what its constructor is given
    return Node(video_resource=video)


def _submitted(metadata: Any, folder: Path) -> None:
    jobs = BatchJobs(TEXT, api_key="k")
    jobs.write(["a"], folder / "lines.jsonl")
    jobs.submit(folder / "lines.jsonl", metadata=metadata)


# Each is called with a folder.
WRONG: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "pruned by nothing": (
        lambda folder: SQLiteCache(folder / "c").prune(),
        InputError,
        r"^there is nothing to prune by: pass max_age, max_bytes or both$",
    ),
    "pruned by less than nothing": (
        lambda folder: SQLiteCache(folder / "c").prune(max_age=5, max_bytes=-1),
        InputError,
        r"^max_bytes must be a number from 0, got -1$",
    ),
    "header": (
        lambda folder: _client(default_headers={"X-Retries": 3}),
        ConfigError,
        r"^default_headers\['X-Retries'\] must be a str, got int$",
    ),
    "instruction": (
        lambda folder: _client(instruct="  "),
        InputError,
        r"^instruct must be a str that is not blank, got '  '$",
    ),
    "workspace": (
        lambda folder: _client(workspace="a.b"),
        ConfigError,
        r"^workspace must be 1 to 63 letters, .* part of a host; got 'a\.b'$",
    ),
    "another name": (
        lambda folder: _client(request_timeout=3),
        ConfigError,
        r"^Client has no request_timeout=; use timeout=$",
    ),
    "both names": (
        lambda folder: _client(request_timeout=3, timeout=3),
        ConfigError,
        r"^Client has no request_timeout=; use timeout=; both were given, so leave out request_timeout=$",
    ),
    "pickled": (
        lambda folder: pickle.dumps(_client(http_client=httpx.Client())),
        ConfigError,
        r"^a client with your own HTTP client cannot be pickled or copied; create it where it is used$",
    ),
    "job": (
        lambda folder: BatchJobs(TEXT, api_key="k").get("a/b"),
        InputError,
        r"^job_id must be 1 to 256 letters, .*, got 'a/b'; pass the id of a Job$",
    ),
    "job of another type": (
        lambda folder: FileJobs("text-embedding-async-v2", api_key="k").get(3),  # type: ignore[arg-type]
        InputError,
        r"^job_id must be .*, got int; pass the id of a Job$",
    ),
    "metadata": (
        lambda folder: _submitted({"ds_name": "a" * 101}, folder),
        InputError,
        r"^metadata 'ds_name' must be a str of 1 to 100 characters, got 101 characters$",
    ),
    "URL of a file job": (
        lambda folder: FileJobs("text-embedding-async-v2", api_key="k").submit("https://h/a.csv?sign=s"),
        InputError,
        r"^a file job needs the URL of a \.txt file, got https://h/a\.csv$",
    ),
    "file of a file job": (
        lambda folder: FileJobs("text-embedding-async-v2", api_key="k").write(["a"], folder / "a.csv"),
        InputError,
        r"^a file job accepts \.txt files only; call the file 'a\.txt', not 'a\.csv'$",
    ),
    "folder of a Batch": (
        lambda folder: BatchJobs(TEXT, api_key="k").submit(folder),
        InputError,
        r" is a folder, a pipe or a device; pass a file that write\(\) made$",
    ),
    "size of a Batch": (
        lambda folder: BatchJobs(TEXT, api_key="k").submit(_sized(folder, 524_288_001)),
        InputError,
        r"^file 'lines\.jsonl' has 524,288,001 bytes; a Batch accepts at most 524,288,000$",
    ),
    "dimension of a job": (
        lambda folder: BatchJobs("text-embedding-v9", api_key="k"),
        ConfigError,
        r"^the dimension of 'text-embedding-v9' is not known; pass dimensions$",
    ),
    "format": (
        lambda folder: open_source(_texts(folder), format="folder"),
        ConfigError,
        r"^source 'texts\.txt' is not a folder, and the format that was given is 'folder'$",
    ),
    "columns": (
        lambda folder: open_source(_texts(folder), columns=Columns(text=("c",))),
        ConfigError,
        r"^source 'texts\.txt' is of format text, which has no columns; name no column$",
    ),
    "encoding": (
        lambda folder: open_source(folder, encoding="gbk"),
        ConfigError,
        r" is of format folder, which has no encoding; leave out the encoding$",
    ),
    "pairs": (
        lambda folder: rerank_file(open_source(_table(folder)), folder / "o.parquet", model="qwen3-rerank"),
        ConfigError,
        r"^pairs need a source opened with columns=PairColumns\(\.\.\.\), got one with Columns$",
    ),
    "new columns": (
        lambda folder: Embedder(TEXT, text_column="a", vector_column="b", error_column="b"),
        ConfigError,
        r"^vector_column and error_column are both 'b'; use different names$",
    ),
    "old columns": (
        lambda folder: Embedder(TEXT, text_column="a", image_column="a"),
        ConfigError,
        r" must be different columns, got 'a', 'a'$",
    ),
    "fault": (
        lambda folder: Fault("teapot"),
        ValueError,
        r"^unknown fault 'teapot'; allowed are a status from 400 to 599, reset, .*, tpm$",
    ),
    "path of a memory": (
        lambda folder: langgraph_index(DashScopeEmbeddings(model=TEXT, api_key="k"), fields=[3]),  # type: ignore[list-item]
        InputError,
        r"a path in fields must be str, got int$",
    ),
    "video of a node": (
        lambda folder: parts_of(_video_node(b"!"), root=None),
        InputError,
        r"^its video is not valid base64; use the standard alphabet with padding$",
    ),
    "vector of another length": (
        lambda folder: _album(folder).search(np.zeros(3, np.float32), top=1),
        InputError,
        r"^the vector has the shape \(3,\); the album accepts one vector of 2 numbers$",
    ),
}


def _album(folder: Path) -> Any:
    from volc_dashscope.search import Album

    return Album(folder, [], np.zeros((0, 2), np.float32), {})


@pytest.mark.parametrize(("call", "kind", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_named_with_what_was_seen_and_what_is_allowed(tmp_path, call, kind, words):
    with pytest.raises(kind, match=words):
        call(tmp_path)

"""What counts as a list where a list is asked for, and what is refused instead of being taken apart."""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from io import StringIO
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest
from pydantic import BaseModel

from volc_dashscope import Client, Frames, Image, InputError, estimate_cost
from volc_dashscope.emulator import Emulator
from volc_dashscope.inputs import as_iterable
from volc_dashscope.jobs import BatchJobs, FileJobs

TEXT = "text-embedding-v4"
URL = "https://example.com/a.png"


class Page(BaseModel):
    text: str = "abc"


Row = namedtuple("Row", "text image")

SINGLE: dict[str, Any] = {
    "str": "abc",
    "bytes": b"abc",
    "bytearray": bytearray(b"abc"),
    "memoryview": memoryview(b"abc"),
    "dict": {"image": URL},
    "OrderedDict": OrderedDict(image=URL),
    "set": {"a", "b"},
    "frozenset": frozenset({"a", "b"}),
    "Page": Page(),
    "Row": Row("a", "b"),
    "Image": Image.from_url(URL),
    "DataFrame": pandas.DataFrame({"text": ["a"]}),
    "Table": pyarrow.table({"text": ["a"]}),
    "RecordBatch": pyarrow.record_batch({"text": ["a"]}),
    "str_": np.str_("abc"),
    "array": array("u", "abc"),
    "MultiIndex": pandas.MultiIndex.from_tuples([("a", "b")]),
    "int": 3,
    "NoneType": None,
}
ARRAYS: dict[str, Any] = {
    "0-d": np.array("a"),
    "2-d": np.array([["a", "b"]]),
    "records": np.array([("a", "b")], dtype=[("text", "U1"), ("title", "U1")]),
}

LISTS: dict[str, Callable[[], Any]] = {
    "list": lambda: ["a", "bc"],
    "tuple": lambda: ("a", "bc"),
    "generator": lambda: (text for text in ["a", "bc"]),
    "deque": lambda: deque(["a", "bc"]),
    "keys": {"a": 1, "bc": 2}.keys,
    "values": {1: "a", 2: "bc"}.values,
    "numpy": lambda: np.array(["a", "bc"]),
    "numpy of objects": lambda: np.array(["a", "bc"], dtype=object),
    "Series": lambda: pandas.Series(["a", "bc"], index=[7, 3]),
    "Index": lambda: pandas.Index(["a", "bc"]),
    "Arrow": lambda: pyarrow.array(["a", "bc"]),
    "chunked Arrow": lambda: pyarrow.chunked_array([["a"], ["bc"]]),
    "text file": lambda: StringIO("a\nbc\n"),
}


@pytest.fixture
def emulator():
    return Emulator()


@pytest.fixture
def client(emulator):
    return Client(
        TEXT, api_key="k", http_client=emulator.http_client(), http_async_client=emulator.http_async_client()
    )


def _entries(client: Client, tmp_path) -> dict[str, Callable[[Any], Any]]:
    async def stream(items: Any) -> list[Any]:
        return [ended async for ended in client.aio.stream(items)]

    return {
        "embed": client.embed,
        "async embed": lambda items: asyncio.run(client.aio.embed(items)),
        "stream": lambda items: list(client.stream(items)),
        "async stream": lambda items: asyncio.run(stream(items)),
        "estimate_cost": lambda items: estimate_cost(items, TEXT),
        "batch file": lambda items: BatchJobs(TEXT, api_key="k").write(items, tmp_path / "lines.jsonl"),
        "file job": lambda items: FileJobs("text-embedding-async-v2", api_key="k").write(
            items, tmp_path / "lines.txt"
        ),
    }


ENTRIES = ["embed", "async embed", "stream", "async stream", "estimate_cost", "batch file", "file job"]


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("given", [*SINGLE.values(), *ARRAYS.values()], ids=[*SINGLE, *ARRAYS])
def test_one_thing_is_refused_before_anything_is_sent(emulator, client, tmp_path, entry, given):
    kind = type(given).__name__

    with pytest.raises(InputError, match=rf"must be a list, got one {kind}; pass \[one\]"):
        _entries(client, tmp_path)[entry](given)

    assert 0 == len(emulator.ledger)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("make", LISTS.values(), ids=LISTS)
def test_every_ordered_iterable_of_texts_is_a_list(emulator, client, tmp_path, entry, make):
    _entries(client, tmp_path)[entry](make())

    if "embed" in entry or "stream" in entry:
        assert ["a", "bc"] == emulator.ledger.texts


@pytest.mark.parametrize("given", [{}, "abc", {Image.from_url(URL)}, Image.from_url(URL)], ids=repr)
def test_frames_take_a_list_as_well(given):
    with pytest.raises(InputError, match=r"the images of Frames must be a list, got one"):
        Frames(given)


def test_an_error_inside_a_generator_is_the_generators_own():
    def broken():
        yield "a"
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        list(as_iterable(broken(), name="items"))


def test_a_row_of_nulls_names_its_item(client):
    with pytest.raises(InputError, match=r"item 1: expected str.* got NoneType"):
        client.embed(pyarrow.array(["a", None]))

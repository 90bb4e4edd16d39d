"""
How cassettes are kept: what may be stored, what has to match, and where each one says it comes from.

    origin: docs        the sample of a vendor's page; `filled` lists the vectors the page elides
    origin: emulator    captured over the socket from `volc_dashscope.emulator`; not a recording of a service
    origin: live        recorded from the service
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import vcr
import yaml
from vcr.cassette import Cassette
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.request import Request
from vcr.serialize import deserialize, serialize

HERE = Path(__file__).resolve().parent
ORIGINS = ("docs", "emulator", "live")
KEPT_HEADERS = frozenset({"content-type"})
# Without the body, two requests in flight would get each other's vectors and every test would stay green.
MATCH_ON = ("method", "host", "path", "body")


class Format:
    """A cassette file with a label; one without is refused. `label` is needed to write."""

    def __init__(self, label: Mapping[str, Any] | None = None) -> None:
        self._label = label

    def serialize(self, data: dict[str, Any]) -> str:
        """Return the text of a cassette."""
        if self._label is None:
            raise ValueError("these cassettes are only played; record with scripts/record.py")
        return written({**self._label, **data})

    def deserialize(self, text: str) -> dict[str, Any]:
        """Return a cassette whose label is complete."""
        return read(text)


class Files:
    """vcr's own files have the encoding of the machine; these are UTF-8."""

    @staticmethod
    def load_cassette(path: str, serializer: Format) -> Any:
        """Return the requests and responses of a file."""
        if not Path(path).is_file():
            raise CassetteNotFoundError(path)
        return deserialize(Path(path).read_text(encoding="utf-8"), serializer)

    @staticmethod
    def save_cassette(path: str, data: dict[str, Any], serializer: Format) -> None:
        """Write a file."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(serialize(data, serializer), encoding="utf-8")


def written(data: Mapping[str, Any]) -> str:
    """Return cassette data as YAML, one line for a body."""
    return yaml.safe_dump(dict(data), allow_unicode=True, sort_keys=False, width=2**30)


def read(text: str) -> dict[str, Any]:
    """
    Return the data of a cassette.

    Raises:
        ValueError: It does not say where it comes from.
    """
    data = yaml.safe_load(text)
    if not isinstance(data, dict) or data.get("origin") not in ORIGINS:
        raise ValueError(f"a cassette must say origin: {', '.join(ORIGINS)}")
    if not data.get("source"):
        raise ValueError("a cassette must name its source")
    if (data["origin"] == "docs") != ("filled" in data):
        raise ValueError("a docs cassette, and no other, must list what was filled in")
    return data


def recorder(label: Mapping[str, Any] | None = None, *, reached: Mapping[str, str] | None = None) -> vcr.VCR:
    """
    Return a VCR that plays; with a label, one that records into files that do not exist yet.

    Args:
        reached: URL that was dialled -> URL to store, so that a capture plays under the default base URLs.
    """

    def kept_request(request: Request) -> Request:
        request.headers = {
            name: value for name, value in request.headers.items() if name.lower() in KEPT_HEADERS
        }
        for dialled, stored in (reached or {}).items():
            if request.uri.startswith(dialled):
                request.uri = stored + request.uri.removeprefix(dialled)
        return request

    def kept_response(response: dict[str, Any]) -> dict[str, Any]:
        headers = response["headers"].items()
        kept = {name.lower(): value for name, value in headers if name.lower() in KEPT_HEADERS}
        return {**response, "headers": kept}

    made = vcr.VCR(
        record_mode="none" if label is None else "once",
        match_on=MATCH_ON,
        decode_compressed_response=True,
        before_record_request=kept_request,
        before_record_response=kept_response,
        record_on_exception=False,
        serializer="labelled",
    )
    made.register_serializer("labelled", Format(label))
    made.register_persister(Files)
    return made


@contextmanager
def played(path: Path) -> Iterator[Cassette]:
    """Play a cassette; every interaction has to be played, and none twice."""
    with recorder().use_cassette(str(path)) as cassette:
        yield cassette

    assert (True, len(cassette)) == (cassette.all_played, cassette.play_count), (
        f"{path.name}: not all was played"
    )


def interactions(path: Path) -> list[tuple[Any, int, Any]]:
    """Return (request body, status, reply body) of a cassette, parsed, in its order."""
    return [
        (
            json.loads(entry["request"]["body"]),
            entry["response"]["status"]["code"],
            json.loads(entry["response"]["body"]["string"]),
        )
        for entry in read(path.read_text(encoding="utf-8"))["interactions"]
    ]


def entries(reply: Any) -> list[dict[str, Any]]:
    """Return what a reply says about each item, in their order. Reads the formats without our client."""
    if "output" in reply:
        found = reply["output"]["embeddings"]
        return sorted(found, key=lambda entry: entry.get("text_index", entry.get("index")))
    data = reply["data"]
    return [data] if isinstance(data, dict) else sorted(data, key=lambda entry: entry["index"])


def unit_rows(found: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """Return the dense vectors of entries as rows of length one."""
    rows = [
        np.frombuffer(base64.b64decode(entry["embedding"]), "<f4").astype(np.float64)
        if isinstance(entry["embedding"], str)
        else np.array(entry["embedding"], np.float64)
        for entry in found
    ]
    return np.stack([row / np.linalg.norm(row) for row in rows])

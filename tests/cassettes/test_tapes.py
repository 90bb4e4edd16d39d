"""What a cassette may be: labelled, clean, word for word where it says so, and made again by the scripts."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import forked
import httpx
import pytest
from cassette_scenarios import RECORDED
from cassette_tape import HERE, KEPT_HEADERS, ORIGINS, Format, played, read, recorder, written
from vcr.errors import CannotOverwriteExistingCassetteException

from volc_dashscope import get_model_info

ROOT = HERE.parents[1]
FIXTURES = ROOT / "tests" / "wire" / "fixtures"
FILES = sorted(path for origin in ORIGINS for path in (HERE / origin).glob("*.yaml"))
PAGES = [path for path in FILES if path.parent.name == "docs"]
with_each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
with_each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
FORBIDDEN = {
    "key": r"\bsk-|\bBearer\b|\bapi[-_]key\b(?! provided)",
    "header": r"(?i)authorization|user-agent|cookie|x-request-id",
    "address": r"\b\d{1,3}(?:\.\d{1,3}){3}\b|localhost",
    "path": r"/work/|/home/|/Users/|/root/|/tmp/|[A-Za-z]:\\\\",
}
LABEL = {"origin": "emulator", "source": "a test"}
INTERACTION = {
    "request": {
        "method": "POST",
        "uri": "https://dashscope.aliyuncs.com/api/v1/x",
        "body": '{"a": 1}',
        "headers": {"content-type": ["application/json"]},
    },
    "response": {
        "status": {"code": 200, "message": "OK"},
        "headers": {"content-type": ["application/json"]},
        "body": {"string": "{}"},
    },
}


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Return a cassette with one interaction."""
    path = tmp_path / "tape.yaml"
    path.write_text(written({**LABEL, "version": 1, "interactions": [INTERACTION]}), encoding="utf-8")
    return path


def _post(
    body: bytes, url: str = "https://dashscope.aliyuncs.com/api/v1/x", method: str = "POST"
) -> httpx.Response:
    with httpx.Client() as client:
        return client.request(method, url, content=body, headers={"content-type": "application/json"})


# The label.


@pytest.mark.parametrize(
    "label",
    [
        {},
        {"source": "somewhere"},
        {"origin": "memory", "source": "somewhere"},
        {"origin": "live"},
        {"origin": "docs", "source": "a page"},
        {"origin": "live", "source": "a service", "filled": []},
    ],
    ids=["none", "no-origin", "unknown-origin", "no-source", "docs-without-filled", "live-filled"],
)
def test_a_cassette_without_a_full_label_is_refused(tmp_path, label):
    path = tmp_path / "tape.yaml"
    path.write_text(written({**label, "version": 1, "interactions": [INTERACTION]}), encoding="utf-8")

    with pytest.raises(ValueError, match="cassette"), played(path):
        pass


def test_nothing_is_written_without_a_label():
    with pytest.raises(ValueError, match=r"record\.py"):
        Format().serialize({"interactions": []})


# Playing.


def test_an_interaction_left_unplayed_fails(tape):
    with pytest.raises(AssertionError, match="not all was played"), played(tape):
        pass


def test_an_interaction_is_played_once(tape):
    with recorder().use_cassette(str(tape)):
        _post(b'{"a":1}')

        with pytest.raises(CannotOverwriteExistingCassetteException):
            _post(b'{"a":1}')


@pytest.mark.parametrize(
    "other",
    [
        {"body": b'{"a":2}'},
        {"body": b'{"a":1}', "url": "https://dashscope-intl.aliyuncs.com/api/v1/x"},
        {"body": b'{"a":1}', "url": "https://dashscope.aliyuncs.com/api/v1/y"},
        {"body": b'{"a":1}', "method": "PUT"},
    ],
    ids=["body", "host", "path", "method"],
)
def test_a_request_that_differs_in_anything_is_not_answered(tape, other):
    with pytest.raises(CannotOverwriteExistingCassetteException), recorder().use_cassette(str(tape)):
        _post(**other)


def test_a_missing_cassette_is_not_recorded(tmp_path):
    absent = tmp_path / "absent.yaml"

    with pytest.raises(CannotOverwriteExistingCassetteException), recorder().use_cassette(str(absent)):
        _post(b"{}")

    assert not absent.exists()


# What is stored.


@with_each_file
@pytest.mark.parametrize("kind", FORBIDDEN)
def test_a_cassette_holds_no_secret_and_nothing_of_a_machine(path, kind):
    assert [] == re.findall(FORBIDDEN[kind], path.read_text(encoding="utf-8"))


@with_each_file
def test_only_allowed_headers_are_stored(path):
    stored = {
        name.lower()
        for entry in read(path.read_text(encoding="utf-8"))["interactions"]
        for side in ("request", "response")
        for name in entry[side]["headers"]
    }

    assert KEPT_HEADERS == stored


@with_each_file
def test_a_cassette_is_small(path):
    assert 20_000 > path.stat().st_size


# What is of a page.


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


@with_each_page
def test_a_docs_cassette_is_the_pages_sample_but_for_what_was_filled(path):
    tape = read(path.read_text(encoding="utf-8"))
    page = json.loads((FIXTURES / f"{tape['fixture']}.json").read_text(encoding="utf-8"))
    (entry,) = tape["interactions"]
    body = json.loads(entry["response"]["body"]["string"])
    for filled in tape["filled"]:
        step = filled["path"].rpartition(".")
        printed, vector = _at(page["reply"]["body"], filled["path"]), _at(body, filled["path"])
        gap = printed.index("...")
        tail = len(printed) - gap - 1
        _at(body, step[0])[step[2]] = [*vector[:gap], "...", *vector[len(vector) - tail :]]

    request = entry["request"]
    assert (page["request"]["method"], page["request"]["url"]) == (request["method"], request["uri"])
    assert page["request"]["body"] == json.loads(request["body"])
    assert (page["reply"]["status"], page["reply"]["body"]) == (entry["response"]["status"]["code"], body)


@with_each_page
def test_what_was_filled_is_listed_and_has_the_length_of_the_card(path):
    tape = read(path.read_text(encoding="utf-8"))
    page = json.loads((FIXTURES / f"{tape['fixture']}.json").read_text(encoding="utf-8"))
    (entry,) = tape["interactions"]
    body = json.loads(entry["response"]["body"]["string"])
    row = get_model_info(page["request"]["body"]["model"])

    assert page["reply"]["elided"] == [filled["path"] for filled in tape["filled"]]
    assert [row.default_dimension] * len(tape["filled"]) == [
        len(_at(body, filled["path"])) for filled in tape["filled"]
    ]


def test_the_docs_cassettes_are_what_the_named_script_writes():
    out, _, code = _run("fill_vectors.py", "--check")

    assert ("up to date\n", 0) == (out, code)


# Recording.


def _run(script: str, *arguments: str, **environ: str) -> tuple[str, str, int]:
    """Run a script; return what it wrote to stdout and stderr, and its exit code."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
    file = ROOT / "scripts" / script
    process = forked.start(forked.SCRIPT, file, *arguments, folder=ROOT, environ={**kept, **environ})
    out, err = process.communicate(timeout=120)
    return out, err, process.returncode


@pytest.mark.parametrize("keys", [{}, {"ARK_API_KEY": "", "DASHSCOPE_API_KEY": " "}], ids=["unset", "empty"])
def test_recording_from_the_services_is_refused_without_a_key(tmp_path, keys):
    out, err, code = _run("record.py", "--into", str(tmp_path), **keys)

    line = "record: set ARK_API_KEY or DASHSCOPE_API_KEY to record from the services; nothing was done\n"
    assert (2, "", line, []) == (code, out, err, list(tmp_path.iterdir()))


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the folders of two captures of the emulator."""
    made = []
    for name in ("one", "two"):
        into = tmp_path_factory.mktemp(name)
        _, err, code = _run("record.py", "--emulator", "--into", str(into))
        assert (0, "") == (code, err)
        made.append(into / "emulator")
    return made


def test_the_emulator_is_captured_the_same_every_time(captures):
    one, two = (
        {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} for folder in captures
    )

    assert {f"{scenario.name}.yaml" for scenario in RECORDED} == set(one)
    assert one == two


def test_the_emulator_still_answers_in_the_shape_of_its_cassettes(captures):
    """Numbers may change with the emulator's vectors; then `record.py --emulator` is due, but nothing breaks."""
    stored, fresh = (
        {path.name: _shape(path) for path in folder.iterdir()} for folder in (HERE / "emulator", captures[0])
    )

    assert stored == fresh


def _shape(path: Path) -> Any:
    """Requests as they are; of replies the status, the keys and the lengths of vectors."""
    return [
        (
            entry["request"],
            entry["response"]["status"],
            _outline(json.loads(entry["response"]["body"]["string"])),
        )
        for entry in read(path.read_text(encoding="utf-8"))["interactions"]
    ]


def _outline(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _outline(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], float):
        return len(value)
    return [_outline(inner) for inner in value] if isinstance(value, list) else type(value).__name__

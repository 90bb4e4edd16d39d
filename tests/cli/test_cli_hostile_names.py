"""Names of files and arguments that a terminal would obey, or that are no UTF-8."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from cli_runs import Run
from click.testing import CliRunner
from paintings import shaped

from volc_dashscope.cli._app import app

NAMES = {
    "colour": "a\x1b[31mb",
    "title of the window": "a\x1b]0;b\x07",
    "eight bits": "a\x9b31m",
    "carriage return": "a\rb",
    "line break": "a\n0 failed",
    "line separator": "a\u2028b",
    "delete": "a\x7f",
    "right to left": "a\u202egnp",
}


@pytest.fixture
def terminal(cli: Callable[..., Run]) -> Callable[..., Run]:
    """The command on a terminal; elsewhere click drops what looks like a colour."""

    def run(*arguments: object) -> Run:
        given = [str(argument) for argument in arguments]
        done = CliRunner().invoke(app, given, color=True, catch_exceptions=False)
        return Run(done.exit_code, done.stdout, done.stderr)

    return run


def _obeyed(text: str) -> list[str]:
    """What a terminal does not show, apart from the ends of lines."""
    return [letter for letter in text if letter not in "\n " and unicodedata.category(letter)[0] in "CZ"]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_a_file_name_does_not_control_the_terminal(terminal, tmp_path, name, form) -> None:
    folder = tmp_path / f"folder {name}"
    folder.mkdir()
    (folder / f"{name}.png").write_bytes(shaped("red", "square"))
    (folder / f"{name} broken.png").write_bytes(b"no picture")
    html = tmp_path / f"{name}.html"

    found = terminal("search", folder, f"red {name}", "--emulator", "--html", html, *form)
    missing = terminal("estimate", f"missing {name}", "-m", "doubao-embedding-vision-251215", *form)
    counted = terminal("estimate", folder, "-m", "doubao-embedding-vision-251215", *form)
    wrong = terminal("search", folder, "red", f"--{name}", *form)

    runs = [found, missing, counted, wrong]
    assert [0, 2, 0, 2] == [run.code for run in runs]
    assert [] == [letter for run in runs for letter in _obeyed(run.out + run.err)]
    if form:
        assert f"{name}.png" == found.json["rankings"][0]["hits"][0]["name"]
    else:
        columns = {line.rindex("|") for line in found.out.splitlines() if " | " in line}
        assert 1 == len(columns)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_names_that_are_not_utf8_are_shown_somehow(terminal, tmp_path, form) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/folder \xff"))
    folder.mkdir()
    (folder / "red.png").write_bytes(shaped("red", "square"))
    query = Path(os.fsdecode(os.fsencode(tmp_path) + b"/query \xff.png"))
    query.write_bytes(shaped("red", "circle"))
    html = Path(os.fsdecode(os.fsencode(tmp_path) + b"/html \xff.html"))

    found = terminal(
        "search", folder, "--image", query, "--emulator", "--store", tmp_path / "s", "--html", html, *form
    )

    assert (0, 1) == (found.code, found.out.count("red.png"))
    assert "gallery: " + str(html).replace("\udcff", "\\udcff") in found.err
    assert "query ?" in html.read_text("utf-8")
    if form:
        assert "folder \\udcff" in found.out
        assert orjson.loads(found.out.replace("\\udcff", "?"))

"""The commands of the guide print what stands below them, in both languages."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from cli_runs import ROOT

GUIDES = [ROOT / "docs" / language / "command-line.md" for language in ("en", "zh")]
_PAIR = re.compile(r"^```sh\n(volc-dashscope [^\n]+)\n```\n```text\n(.*?)^```$", re.M | re.S)


def pairs(guide: Path) -> list[tuple[str, str]]:
    """Return each command that has its output below it."""
    return [(found[1], found[2]) for found in _PAIR.finditer(guide.read_text("utf-8"))]


@pytest.mark.parametrize("command", [command for command, _ in pairs(GUIDES[0])])
def test_a_command_prints_what_the_guide_says(cli, drawings, monkeypatch, command):
    monkeypatch.chdir(drawings)

    done = cli(*shlex.split(command)[1:])

    assert (0, dict(pairs(GUIDES[0]))[command]) == (done.code, done.out)


def test_both_languages_show_the_same_commands_and_outputs():
    assert len(pairs(GUIDES[0])) > 3
    assert pairs(GUIDES[0]) == pairs(GUIDES[1])


@pytest.mark.parametrize("guide", GUIDES, ids=["en", "zh"])
def test_the_guide_names_every_command_and_its_pictures_are_small(guide):
    from volc_dashscope.cli._app import app

    text = guide.read_text("utf-8")
    pictures = {ROOT / "docs" / "assets" / name for name in re.findall(r"assets/([\w-]+\.webp)", text)}

    assert [] == [name for name in app.list_commands(None) if f"| `{name}` |" not in text]
    assert 3 == len(pictures)
    assert [] == [path.name for path in pictures if not 0 < path.stat().st_size < 150_000]

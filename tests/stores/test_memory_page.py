"""The code of docs/en/memory.md and docs/zh/memory.md, run in order in one namespace a page."""

from __future__ import annotations

import re
from pathlib import Path

import lc_databases  # noqa: F401 - puts a sqlite3 that loads extensions in place before the stores are imported
import pytest
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from test_agent import Looker

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what a script leaves open
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_runs(ark_dashscope_emulator_env, language, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEM0_TELEMETRY", "False")
    monkeypatch.setenv("MEM0_DIR", str(tmp_path / "mem0"))
    names = {"chat_model": FakeListChatModel(responses=["{}"]), "vision_model": Looker()}
    page = (DOCS / language / "memory.md").read_text("utf-8")

    for code in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S):
        exec(compile(code, "memory.md", "exec"), names)

    printed = capsys.readouterr().out.splitlines()
    assert "2048" == printed[0]
    assert "sea" == printed[-1]
    names["memory"].add("likes the blue sea", user_id="ann", infer=False)
    assert names["memory"].search("sea", filters={"user_id": "ann"})["results"]
    assert isinstance(names["agent"], type(create_agent(Looker(), [])))

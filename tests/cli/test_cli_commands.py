"""What all commands have in common, and those that are little more than a way in."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal

import pytest
from canary import KEY
from cli_runs import ROOT, ended, run, started
from click.shell_completion import ShellComplete
from paintings import painted

from volc_dashscope import Client
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.cli._app import app
from volc_dashscope.cli._output import ExitCode

V4 = "text-embedding-v4"

COMMANDS = [
    "embed",
    "cache stats",
    "cache prune",
    "models",
    "estimate",
    "doctor",
    "emulator",
    "search",
    "serve",
    "rerank",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_json_and_help_on_every_option(cli, command):
    found = app
    for name in command.split():
        found = found.get_command(None, name)
    options = [option for option in found.params if option.param_type_name == "option"]

    assert "--json" in [name for option in options for name in option.opts]
    assert [] == [option.name for option in options if not option.help]
    assert 0 == cli(*command.split(), "--help").code


def test_the_list_above_is_complete():
    commands = {name: app.get_command(None, name) for name in app.list_commands(None)}
    groups = {name: getattr(command, "commands", None) for name, command in commands.items()}

    found = [f"{name} {sub}" for name, subs in groups.items() for sub in subs or ()]
    assert {*COMMANDS} == {*found, *(name for name, subs in groups.items() if subs is None)}


def test_help_says_of_a_subcommand_what_the_subcommand_says_of_itself(cli):
    printed = " ".join(cli("--help").out.split())

    for name in app.list_commands(None):
        assert f"{name} {app.get_command(None, name).get_short_help_str(limit=200)}" in printed


def test_help_loads_click_and_no_subcommand(tmp_path):
    code = (
        "import sys\n"
        "from volc_dashscope.cli import main\n"
        "sys.argv[1:] = ['--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx', 'numpy', 'wcwidth', 'asyncio', 'sqlite3', 'volc_dashscope.client'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    done = ended(started(folder=tmp_path, code=code))

    assert "[]" == done.out.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments", [("embed",), ("models", "--max-price", "x"), ("cache", "stats"), ("nothing",)]
)
def test_a_wrong_call_is_json_too(cli, arguments):
    done = cli(*arguments, "--json")

    assert 2 == done.code
    assert "UsageError" == done.json["kind"]
    assert done.json["error"]


def test_a_wrong_call_without_json_says_nothing_on_stdout(cli):
    done = cli("embed")

    assert (2, "") == (done.code, done.out)
    assert "SOURCE" in done.err


# One call of each command that ends by itself; `serve` and `emulator` go on until Ctrl-C.
CALLS = {
    "embed": ("embed", "t.txt", "-m", V4, "-o", "out.parquet"),
    "cache stats": ("cache", "stats", "c.sqlite"),
    "cache prune": ("cache", "prune", "c.sqlite", "--older-than", "1d"),
    "models": ("models",),
    "estimate": ("estimate", "t.txt", "-m", V4),
    "doctor": ("doctor", "--offline"),
    "search": ("search", "pics", "sea", "-m", "qwen3-vl-embedding"),
    "rerank": ("rerank", "pairs.csv", "-m", "qwen3-rerank", "-o", "ranked.parquet"),
}
WRONG_CALLS = {
    "embed": ("embed", "gone.txt", "-m", V4, "-o", "out.parquet"),
    "cache stats": ("cache", "stats", "t.txt"),
    "cache prune": ("cache", "prune", "t.txt", "--older-than", "1d"),
    "models": ("models", "text-embedding-v9"),
    "estimate": ("estimate", "gone.txt", "-m", V4),
    "doctor": ("doctor", "--region", "cn-beijing"),
    "emulator": ("emulator", "--port", "{taken}"),
    "search": ("search", "pics", "sea", "-m", V4),
    "serve": ("serve", "pics", "-m", V4, "--port", "0"),
    "rerank": ("rerank", "gone.csv", "-m", "qwen3-rerank", "-o", "ranked.parquet"),
}


@pytest.fixture
def files(tmp_path):
    """The files of the calls above, in the folder of the command."""
    (tmp_path / "t.txt").write_text("a\nb\n", encoding="utf-8")
    (tmp_path / "pairs.csv").write_text("query,document\nsea,a boat\nsea,a hill\n", encoding="utf-8")
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "a.png").write_bytes(painted())
    with SQLiteCache(tmp_path / "c.sqlite"):
        return tmp_path


def test_every_command_is_called_below():
    assert {*COMMANDS} == {*CALLS, "serve", "emulator"}
    assert {*COMMANDS} == {*WRONG_CALLS}


@pytest.mark.parametrize("line", CALLS.values(), ids=CALLS)
def test_a_result_is_one_json_document(cli, services, files, line):
    done = cli(*line, "--json")

    assert ExitCode.DONE == done.code
    assert isinstance(done.json, dict)
    assert "error" not in done.json


@pytest.mark.parametrize("line", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_what_is_wrong_is_one_json_document(cli, services, files, line):
    taken = services.url.rpartition(":")[2]

    done = cli(*(word.format(taken=taken) for word in line), "--json")

    assert ExitCode.WRONG == done.code
    assert {"error", "kind"} <= {*done.json}
    assert f"error: {done.json['error']}" in done.err
    assert 0 == len(services.ledger)


def test_serve_says_in_json_where_its_page_is_and_ends_by_ctrl_c(files):
    line = ("serve", "pics", "--emulator", "--port", 0, "--json", "-q")
    process = started(*line, folder=files)
    assert process.stdout is not None
    try:
        printed = json.loads(process.stdout.readline())
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait(30)

    assert printed["url"].startswith("http://127.0.0.1:")
    assert ("", ExitCode.DONE, 1) == (out, process.returncode, printed["files"])


def test_exit_codes_are_listed_where_the_help_and_the_guides_say(cli):
    listed = {str(code.value) for code in ExitCode}

    help_lines = cli("--help").out.partition("Exit codes:")[2].splitlines()
    assert listed == {number for line in help_lines for number in re.findall(r"\b\d+\b", line)}
    for language in ("en", "zh"):
        folder = ROOT / "docs" / language
        tables = {
            path.name: re.findall(r"^\| (\d+)(?:[,、] ?(\d+))? \|", path.read_text("utf-8"), re.M)
            for path in folder.glob("*.md")
            if "| exit code |" in path.read_text("utf-8") or "| 退出码 |" in path.read_text("utf-8")
        }
        assert ["command-line.md"] == [*tables]
        assert listed == {number for pair in tables["command-line.md"] for number in pair if number}


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_every_command_are_completed(command):
    shell = ShellComplete(app, {}, "volc-dashscope", "_VOLC_DASHSCOPE_COMPLETE")

    found = shell.get_completions(command.split(), "--js")

    assert ["--json"] == [item.value for item in found]


def test_names_of_commands_are_completed():
    shell = ShellComplete(app, {}, "volc-dashscope", "_VOLC_DASHSCOPE_COMPLETE")

    commands = [item.value for item in shell.get_completions([], "")]
    below = [item.value for item in shell.get_completions(["cache"], "")]

    assert {command.split()[0] for command in COMMANDS} == {*commands}
    assert {"stats", "prune"} == {*below}


MODELS = {
    "rerank": (
        ["rerank", "p.csv", "-m"],
        {"qwen3-vl-rerank", "qwen3-rerank", "qwen3.7-text-rerank", "gte-rerank-v2"},
    ),
    "search": (["search", "pics", "--rerank"], {"qwen3-vl-rerank"}),
    "serve": (["serve", "pics", "--rerank"], {"qwen3-vl-rerank"}),
}


@pytest.mark.parametrize(("words", "names"), MODELS.values(), ids=MODELS)
def test_names_of_rerank_models_are_completed(words, names):
    shell = ShellComplete(app, {}, "volc-dashscope", "_VOLC_DASHSCOPE_COMPLETE")

    assert names == {item.value for item in shell.get_completions(words, "")}


def test_a_rerank_model_is_no_model_of_vectors(cli):
    done = cli("models", "qwen3-rerank")

    assert ExitCode.WRONG == done.code
    assert "`volc-dashscope rerank --help`" in done.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_be_taught_to_complete(tmp_path, shell):
    done = run(folder=tmp_path, _VOLC_DASHSCOPE_COMPLETE=f"{shell}_source")

    assert "volc-dashscope" in done.out
    assert "_VOLC_DASHSCOPE_COMPLETE" in done.out


def test_names_of_models_are_completed(tmp_path):
    words = {"COMP_WORDS": "volc-dashscope embed t.txt --model qwen3", "COMP_CWORD": "4"}

    done = run(folder=tmp_path, _VOLC_DASHSCOPE_COMPLETE="bash_complete", **words)

    assert [
        "plain,qwen3.7-text-embedding",
        "plain,qwen3.7-text-embedding-flash",
        "plain,qwen3-vl-embedding",
    ] == (done.out.split())


def test_the_emulator_is_a_command_that_ends_by_ctrl_c(tmp_path):
    process = started("emulator", "--port", 0, "--json", folder=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        url = json.loads(line)["dashscope"]
        with Client("text-embedding-v4", api_key=KEY, base_url=url) as client:
            shape = client.embed(["a"]).vectors.shape
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait(30)

    assert (1, 1024) == shape
    assert "1 request answered\n" in err


def test_the_emulator_prints_the_commands_that_connect_a_shell_to_it(tmp_path, monkeypatch):
    """Who has no key and copies them must not be told that a key is missing."""
    process = started("emulator", "--port", 0, folder=tmp_path)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(4)]
        for line in lines:
            if line.startswith("export "):
                for pair in shlex.split(line.removeprefix("export ")):
                    monkeypatch.setenv(*pair.split("="))
        shapes = [
            client.embed(["a"]).vectors.shape
            for model in ("doubao-embedding-vision-251215", "text-embedding-v4")
            for client in [Client(model)]
        ]
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait(30)

    assert [(1, 2048), (1, 1024)] == shapes


def test_a_taken_port_is_one_line(cli, services):
    port = services.url.rpartition(":")[2]

    done = cli("emulator", "--port", port)

    assert 0 != done.code
    assert "--port" in done.out + done.err


def test_a_wrong_fault_is_refused(cli):
    done = cli("emulator", "--faults", "nonsense", "--port", 0)

    assert 2 == done.code
    assert "nonsense" in done.err

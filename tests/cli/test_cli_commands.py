"""What all commands have in common, and those that are little more than a way in."""

from __future__ import annotations

import os
import signal

import pytest
from canary import KEY
from cli_runs import ended, started

from volc_dashscope import Client
from volc_dashscope.cli._app import app

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
    told = " ".join(cli("--help").out.split())

    for name in app.list_commands(None):
        assert f"{name} {app.get_command(None, name).get_short_help_str(limit=200)}" in told


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
    assert "UsageError" == done.told["kind"]
    assert done.told["error"]


def test_a_wrong_call_without_json_says_nothing_on_stdout(cli):
    done = cli("embed")

    assert (2, "") == (done.code, done.out)
    assert "SOURCE" in done.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_be_taught_to_complete(tmp_path, shell):
    done = ended(started(folder=tmp_path, _VOLC_DASHSCOPE_COMPLETE=f"{shell}_source"))

    assert "volc-dashscope" in done.out
    assert "_VOLC_DASHSCOPE_COMPLETE" in done.out


def test_names_of_models_are_completed(tmp_path):
    words = {"COMP_WORDS": "volc-dashscope embed t.txt --model qwen3", "COMP_CWORD": "4"}

    done = ended(started(folder=tmp_path, _VOLC_DASHSCOPE_COMPLETE="bash_complete", **words))

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
        import json

        url = json.loads(line)["dashscope"]
        with Client("text-embedding-v4", api_key=KEY, base_url=url) as client:
            shape = client.embed(["a"]).vectors.shape
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait(30)

    assert (1, 1024) == shape
    assert "1 requests answered" in err


def test_a_taken_port_is_one_line(cli, services):
    port = services.url.rpartition(":")[2]

    done = cli("emulator", "--port", port)

    assert 0 != done.code
    assert "--port" in done.out + done.err


def test_a_wrong_fault_is_told(cli):
    done = cli("emulator", "--faults", "nonsense", "--port", 0)

    assert 2 == done.code
    assert "nonsense" in done.err

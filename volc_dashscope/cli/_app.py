"""The command and its subcommands; each is a module of its own."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from volc_dashscope._error import without_keys
from volc_dashscope._version import __version__
from volc_dashscope.cli._output import ExitCode, exit_with, note, print_json, silence

# A subcommand's module has its name and is imported when it runs: `--help` and completion need only its one line.
_SUBCOMMANDS = {
    "cache": "Show or prune a cache file of vectors (`SQLiteCache`, `embed --cache`).",
    "doctor": "Check API keys, hosts, proxies, connections and package versions.",
    "embed": "Embed every row of SOURCE into a Parquet file.",
    "emulator": "Emulate both services on this machine until Ctrl-C.",
    "estimate": "Estimate what embedding SOURCE would cost.",
    "models": "List the models with what they embed, their dimensions and prices.",
    "rerank": "Rank the documents of every query in PAIRS into a Parquet file.",
    "search": "Search the images and videos of FOLDER by text, by image, or by both.",
    "serve": "Serve a web page that searches FOLDER, until Ctrl-C.",
}


class _App(click.Group):
    """A group whose usage errors look like all other errors, and are JSON with `--json`."""

    def main(self, args: Any = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Run the command and exit; the library's errors are handled in the subcommands."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        try:
            code = super().main(args, standalone_mode=False, **extra)
        except NoArgsIsHelpError as error:
            note(*error.format_message().split("\n"))
            exit_with(error.exit_code)
        except click.UsageError as error:
            if error.ctx is not None and not error.format_message():
                note(*error.ctx.get_help().split("\n"))
            else:
                note(f"error: {without_keys(error.format_message())}")
                if error.ctx is not None:
                    note(f"`{error.ctx.command_path} --help` lists the commands and options")
            exit_with(ExitCode.WRONG)
        except click.ClickException as error:
            note(f"error: {without_keys(error.format_message())}")
            exit_with(ExitCode.WRONG)
        except click.Abort:
            exit_with(ExitCode.INTERRUPTED)
        except OSError as error:
            # Errors of files have a name, those of streams have none.
            if error.filename is not None:
                raise
            note(f"error: the output cannot be written: {error.strerror or error}")
            silence("stdout")
            exit_with(ExitCode.FAILED_ROWS)
        exit_with(code if isinstance(code, int) else ExitCode.DONE)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return list(_SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in _SUBCOMMANDS:
            return None
        command: click.Command = getattr(import_module(f"volc_dashscope.cli._{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line for each subcommand."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_SUBCOMMANDS.items()))

    def make_context(self, info_name: Any, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        """Take note of `--json` before anything is parsed."""
        as_json = "--json" in args
        context = super().make_context(info_name, args, *rest, **extra)
        context.meta[__name__] = as_json
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            if ctx.meta[__name__]:
                print_json({"error": without_keys(error.format_message()), "kind": "UsageError"})
            raise


@click.group(cls=_App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="volc-dashscope")
def app() -> None:
    """
    Multimodal embeddings from Volcengine Ark and Alibaba DashScope.

    \b
    First steps:
      volc-dashscope doctor                        check keys and connections
      volc-dashscope models --embeds image         compare models and prices
      volc-dashscope estimate photos/ -m MODEL     estimate the cost
      volc-dashscope embed photos/ -m MODEL -o vectors.parquet
      volc-dashscope search photos/ "蓝色海景"
      volc-dashscope rerank pairs.csv -m MODEL -o ranked.parquet
      volc-dashscope serve photos/ --open          search on a web page
    No key yet? `volc-dashscope emulator` emulates both services.

    \b
    Exit codes:
      0    everything worked
      1    some rows or files failed, or doctor found something to fix
      2    the command, its input or a setting is wrong; nothing was sent
      3    stopped by the service or the account; the same command continues
      130  stopped by Ctrl-C (143: by SIGTERM, 129: by a closed terminal)
    """

"""The command and its subcommands; each is a module of its own."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from volc_dashscope._version import __version__
from volc_dashscope.cli._output import ExitCode, leave, note, say_json, silence

# A subcommand's module has its name and is imported when it runs: `--help` and completion need only its one line.
_SUBCOMMANDS = {
    "cache": "Look after a cache of vectors (`SQLiteCache`, `embed --cache`).",
    "doctor": "Check keys, hosts, proxies, the connection and versions.",
    "embed": "Embed every row of SOURCE into a Parquet file.",
    "emulator": "Run both services offline on this machine, until Ctrl-C.",
    "estimate": "Say what embedding SOURCE would cost.",
    "models": "List the models: what they embed, their dimensions and prices.",
    "rerank": "Rank the documents of every query in PAIRS into a Parquet file.",
    "search": "Rank the pictures and videos of FOLDER by TEXT, by a picture, or by both.",
    "serve": "Open a page to search FOLDER on, until Ctrl-C.",
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
            note(error.format_message())
            leave(error.exit_code)
        except click.UsageError as error:
            if error.ctx is not None and not error.format_message():
                click.echo(error.ctx.get_help(), err=True)
            else:
                note(f"error: {error.format_message()}")
                if error.ctx is not None:
                    note(f"`{error.ctx.command_path} --help` lists what there is")
            leave(ExitCode.WRONG)
        except click.ClickException as error:
            note(f"error: {error.format_message()}")
            leave(ExitCode.WRONG)
        except click.Abort:
            leave(ExitCode.INTERRUPTED)
        except OSError as error:
            # Errors of files have a name, those of streams have none.
            if error.filename is not None:
                raise
            note(f"error: the output cannot be written: {error.strerror or error}")
            silence("stdout")
            leave(ExitCode.FAILED_ROWS)
        leave(code if isinstance(code, int) else ExitCode.DONE)

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
        wanted = "--json" in args
        context = super().make_context(info_name, args, *rest, **extra)
        context.meta[__name__] = wanted
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            if ctx.meta[__name__]:
                say_json({"error": error.format_message(), "kind": "UsageError"})
            raise


@click.group(cls=_App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="volc-dashscope")
def app() -> None:
    """
    Multimodal embeddings from Volcengine Ark and Alibaba DashScope.

    \b
    First steps:
      volc-dashscope doctor                        is everything in place?
      volc-dashscope models --embeds image         which model, at what price?
      volc-dashscope estimate photos/ -m MODEL     what would it cost?
      volc-dashscope embed photos/ -m MODEL -o vectors.parquet
      volc-dashscope search photos/ "蓝色海景"
      volc-dashscope rerank pairs.csv -m MODEL -o ranked.parquet
      volc-dashscope serve photos/ --open          a page to search on
    No key yet? `volc-dashscope emulator` stands in for both services.

    \b
    Exit codes:
      0    everything worked
      1    some rows or files failed, or doctor found something to fix
      2    the command, its input or a setting is wrong; nothing was sent
      3    the service or the account stopped it; the same command goes on
      130  stopped by Ctrl-C (143: by SIGTERM)
    """

"""The command and its subcommands; each is a module of its own."""

from __future__ import annotations

import click

from volc_dashscope._version import __version__
from volc_dashscope.cli._cache import cache
from volc_dashscope.cli._embed import embed


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="volc-dashscope")
def app() -> None:
    """Multimodal embeddings from Volcengine Ark and Alibaba DashScope."""


app.add_command(embed)
app.add_command(cache)

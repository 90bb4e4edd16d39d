"""`volc-dashscope serve`: a page to search a folder on, for this machine only."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import click

from volc_dashscope.cli._folder import HOW_TO_RESUME, FolderOptions, folder_options, opened
from volc_dashscope.cli._options import PICTURE_RERANK_MODEL_NAME
from volc_dashscope.cli._output import errors_reported, media_count, note, print_json, print_line
from volc_dashscope.cli._paths import PathArgument
from volc_dashscope.cli._picture_reranker import reranking
from volc_dashscope.errors import ConfigError

_HOST = "127.0.0.1"


@click.command()
@click.argument("folder", type=PathArgument(exists=True, file_okay=False))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8766, show_default=True, help="Port; 0 picks a free one."
)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--rerank",
    type=PICTURE_RERANK_MODEL_NAME,
    help="Rerank the nearest images with this model, such as qwen3-vl-rerank.",
)
@folder_options
def serve(folder: Path, port: int, show: bool, rerank: str | None, **options: Any) -> None:
    """
    Serve a web page that searches FOLDER, until Ctrl-C.

    The page takes a text, an image, or both, and shows a ranking with scores and a map of the collection. Only this
    machine can reach it (127.0.0.1), and it shows only images and videos of FOLDER. Each new query is one request to
    the service, and one more with --rerank. The folder is embedded as by `search`.

    \b
    Examples:
      volc-dashscope serve photos/ --open
      volc-dashscope serve photos/ --emulator      (no key needed)
    """
    chosen = FolderOptions(**options)
    with errors_reported(as_json=chosen.as_json, hint=[HOW_TO_RESUME]):
        try:
            import uvicorn

            from volc_dashscope.search.page import create_app, server_config
        except ImportError as error:
            raise ConfigError(
                'the search page needs starlette and uvicorn: pip install "volc-dashscope[serve]"'
            ) from error
        with (
            _listening(port) as listener,
            reranking(rerank, folder, chosen) as reranker,
            opened(folder, chosen) as (album, client),
        ):
            app = create_app(album, client, reranker=reranker, stand_in=chosen.emulator)
            url = f"http://{_HOST}:{listener.getsockname()[1]}/"

            def announce() -> None:
                if chosen.as_json:
                    print_json({"url": url, "files": len(album), "model": client.model_info.name})
                else:
                    print_line(f"{media_count(len(album))} of {folder} at {url} (Ctrl-C ends it)")
                if show:
                    click.launch(url)

            class Announced(uvicorn.Server):
                """Says that it runs when it takes signals itself: Python may lose one that comes earlier."""

                async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                    await super().startup(sockets=sockets)
                    announce()

            try:
                Announced(server_config(app)).run(sockets=[listener])
            except KeyboardInterrupt:
                note("stopped")


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        raise ConfigError(
            f"port {port} cannot be used ({error.strerror}); choose another with --port, or 0"
        ) from error

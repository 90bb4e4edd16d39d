"""Shared by `search` and `serve`: the folder's album, and the client for queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import click

from volc_dashscope import _config
from volc_dashscope._types import counted
from volc_dashscope.bulk import Progress, Source, count_rows, open_source
from volc_dashscope.bulk._report import amount
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.cli._options import MODEL_NAME, client_options, options_as_settings
from volc_dashscope.cli._output import ExitCode, exit_with, note, note_reasons, scanning
from volc_dashscope.cli._paths import PathArgument
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import Provider
from volc_dashscope.search import Album, is_current, open_album, store_folder

HOW_TO_RESUME = "finished work is saved; run the same command again to continue"
# Without --model: each service's newest model that accepts text, pictures, videos, and several of them at once.
DEFAULT_MODELS: dict[Provider, str] = {
    "ark": "doubao-embedding-vision-251215",
    "dashscope": "qwen3-vl-embedding",
}


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """The options of a command on a folder, as passed on the command line."""

    model: str | None
    store: Path | None
    emulator: bool
    refresh: bool
    dimensions: int | None
    instruct: str | None
    provider: Provider | None
    base_model: str | None
    region: str | None
    base_url: str | None
    insecure_http: bool
    workspace: str | None
    upload: bool
    truncate: bool
    max_image_pixels: int | None
    max_concurrency: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    quiet: bool
    as_json: bool


def folder_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `FolderOptions`."""
    default = " or ".join(DEFAULT_MODELS.values())
    model = f"Model id. Default: {default}, depending on which key is set."
    for option in (
        click.option("--refresh", is_flag=True, help="Retry files that failed before."),
        click.option(
            "--store",
            type=PathArgument(file_okay=False),
            help="Folder for the vectors. Default: FOLDER/.volc-dashscope.",
        ),
        click.option(
            "--emulator", is_flag=True, help="Use the built-in emulator: no key needed, stand-in vectors."
        ),
        click.option("-m", "--model", type=MODEL_NAME, help=model),
    ):
        command = option(command)
    return client_options(command)


@contextmanager
def opened(folder: Path, options: FolderOptions) -> Iterator[tuple[Album, Client]]:
    """
    Yield a folder's album, created or updated first, and a client for queries.

    Raises:
        ConfigError: No model can be chosen, or the chosen one cannot embed pictures.
        EmbeddingError: What `open_album` raises.
    """
    # Checked before anything is counted, priced or sent.
    if find_spec("pyarrow") is None:
        raise ConfigError(
            'vectors of a folder are kept in Parquet by pyarrow: pip install "volc-dashscope[bulk]"'
        )
    with ExitStack() as stack:
        options = _with_model(options, stack)
        assert options.model is not None
        model_info = _config.find_model_info(
            options.model,
            provider=options.provider,
            base_model=options.base_model,
            model_info=None,
        )
        if not model_info.modalities & {"image", "video"}:
            raise ConfigError(
                f"{options.model} embeds text only; `volc-dashscope models --embeds image` lists models for images"
            )
        address = _config.find_url(
            model_info,
            route="native",
            base_url=options.base_url,
            region=options.region,
            workspace=options.workspace,
            insecure_http=options.insecure_http,
        )
        store = store_folder(folder, urlsplit(address.url).hostname or "", root=options.store)
        cache = stack.enter_context(SQLiteCache(store / "vectors.sqlite"))
        client = stack.enter_context(_client(options, cache))
        yield _album(folder, client, store, options), client


def _with_model(options: FolderOptions, stack: ExitStack) -> FolderOptions:
    """Return the options with a model, and with the emulator's URL for `--emulator`."""
    model, provider = options.model, options.provider
    if model is None and not options.emulator:
        keyed = [name for name in DEFAULT_MODELS if provider in (None, name) and _config.has_key(name)]
        if not keyed:
            names = " or ".join(
                _config.KEY_VARIABLE[name] for name in DEFAULT_MODELS if provider in (None, name)
            )
            raise ConfigError(f"no API key: set {names}, or add --emulator to try it without one")
        model = DEFAULT_MODELS[keyed[0]]
    model = model or DEFAULT_MODELS[provider or "ark"]
    if not options.emulator:
        return replace(options, model=model)
    if options.base_url or options.region:
        raise ConfigError("--emulator cannot be combined with --base-url or --region")
    if find_spec("PIL") is None:
        raise ConfigError('--emulator needs Pillow: pip install "volc-dashscope[emulator]"')
    from volc_dashscope.emulator import Emulator  # imported here only, because it takes as long as numpy

    emulator = stack.enter_context(Emulator())
    note("emulator: the vectors are made on this machine and not by a model; nothing is sent or billed")
    model_info = _config.find_model_info(
        model, provider=provider, base_model=options.base_model, model_info=None
    )
    url = emulator.ark_url if model_info.provider == "ark" else emulator.dashscope_url
    return replace(options, model=model, base_url=url)


def _client(options: FolderOptions, cache: SQLiteCache) -> Client:
    assert options.model is not None
    settings = options_as_settings(options, options.model)
    key = "emulator" if options.emulator else None
    return Client.from_settings(replace(settings, api_key=key, cache=cache))


def _album(folder: Path, client: Client, store: Path, options: FolderOptions) -> Album:
    bar = None if options.quiet else _bar(folder, client, store, options)
    try:
        with scanning(folder, quiet=options.quiet) as scan:
            album = open_album(
                folder,
                client,
                store,
                watch=None if bar is None else bar.show,
                scan=scan if bar is None else bar.scanned,
                refresh=options.refresh,
            )
    except KeyboardInterrupt:
        if bar is not None:
            bar.close()  # otherwise the message would follow the bar on the same line
        note(HOW_TO_RESUME)
        exit_with(ExitCode.INTERRUPTED)
    finally:
        if bar is not None:
            bar.close()
    if album.left_out and not options.quiet:
        name = next(iter(album.left_out))
        files = counted(len(album.left_out), "files")
        note(f"left out {files} (--refresh tries again); the first is {name}")
        note_reasons(album.left_out.values())
    return album


def _bar(folder: Path, client: Client, store: Path, options: FolderOptions) -> Progress | None:
    """Return the bar for embedding a folder, after a line with the number of files; None if nothing has changed."""
    with scanning(folder, quiet=options.quiet) as scan:
        if is_current(folder, client, store, scan=scan):
            return None
        source = open_source(folder, format="folder", watch=scan)
        files = count_rows(source) or 0
        price = _price(source, options) if files and not options.emulator else None
    if price is not None:
        note(
            f"{counted(files, 'files')}: embedding the new and changed ones with {client.model_info.name}; {price}"
        )
    return Progress(client.model_info, files, unit="file")


def _price(source: Source, options: FolderOptions) -> str:
    """Return the price of the whole folder, without the prompt that a service adds and bills: no page gives it."""
    from volc_dashscope.bulk import preview

    assert options.model is not None
    found = preview(source, model=options_as_settings(options, options.model))
    if found.price is None or found.price[1] is None:
        return "the price is unknown"
    text = amount(found.price[1], found.currency)
    return f"embedding all would cost {text if text.startswith('under') else 'about ' + text}"

"""The options that commands on items share, and what they are as a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

import click

from volc_dashscope.bulk import Columns, Source, open_source
from volc_dashscope.bulk._sources import FORMATS, Format
from volc_dashscope.cli._names import MODEL_NAME
from volc_dashscope.models import Provider, get_model_info
from volc_dashscope.settings import ClientSettings

_ROLES = {"document": "document", "query": "query", "none": None}


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What is embedded, and what shapes requests, tokens and price, as it was given."""

    source: Path
    format: Format | None
    text_column: tuple[str, ...]
    image_column: tuple[str, ...]
    video_column: tuple[str, ...]
    id_column: str | None
    media_root: Path | None
    model: str
    role: str
    instruct: str | None
    route: Literal["native", "openai", "batch"] | None
    provider: Provider | None
    base_model: str | None
    upload: bool
    res_level: int | None
    requests_per_minute: float | None
    tokens_per_minute: float | None
    as_json: bool

    def opened(self) -> Source:
        """
        Return the source.

        Raises:
            EmbeddingError: What `open_source` raises.
        """
        columns = Columns(self.text_column, self.image_column, self.video_column, self.id_column)
        return open_source(self.source, format=self.format, columns=columns, media_root=self.media_root)

    @property
    def text_type(self) -> Literal["query", "document"] | None:
        return cast("Literal['query', 'document'] | None", _ROLES[self.role])

    @property
    def by_file_jobs(self) -> bool:
        """Whether the model has file jobs only."""
        row = get_model_info(self.base_model or self.model)
        return row is not None and row.endpoint == "async"

    @property
    def by_jobs(self) -> bool:
        """Whether the service's own jobs do it."""
        return self.route == "batch" or self.by_file_jobs

    def settings(self) -> ClientSettings:
        """Return the options that are settings of a client."""
        return options_as_settings(self, self.model)


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(SourceOptions):
    """The options of `embed`, as they were given."""

    output: Path | None
    dimensions: int | None
    region: str | None
    base_url: str | None
    workspace: str | None
    normalize: bool
    max_concurrency: int
    cache: Path | None
    file_url: str | None
    wait: bool
    restart: bool
    group_rows: int | None
    quiet: bool


def options_as_settings(options: object, model: str) -> ClientSettings:
    """Return the fields of options that have a setting's name; one that was left out keeps its default."""
    names = {each.name for each in fields(ClientSettings)} - {"model", "cache"}
    given = {name: getattr(options, name, None) for name in names}
    return ClientSettings(model, **{name: value for name, value in given.items() if value is not None})


_PATH = click.Path(path_type=Path)
_FLAG: dict[str, Any] = {"is_flag": True}
_TABLE: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        ("-m", "--model"),
        {
            "required": True,
            "type": MODEL_NAME,
            "help": "Model id (see `volc-dashscope models`) or endpoint id.",
        },
    ),
    (("-o", "--output"), {"type": _PATH, "help": "Parquet file of id, row, vector and error."}),
    (
        ("--format",),
        {"type": click.Choice(FORMATS), "help": "Else by the ending."},
    ),
    (
        ("--text-column",),
        {"multiple": True, "help": "Column of texts; several kinds or columns are fused into one vector."},
    ),
    (("--image-column",), {"multiple": True, "help": "Column of images: paths, URLs, or bytes (Parquet)."}),
    (("--video-column",), {"multiple": True, "help": "Column of videos."}),
    (("--id-column",), {"help": "Column of ids; else one called id, else row numbers."}),
    (("--media-root",), {"type": _PATH, "help": "Folder that local media must be in; else that of SOURCE."}),
    (("-d", "--dimensions"), {"type": int, "help": "Length of a vector; else the model's default."}),
    (
        ("--role",),
        {
            "type": click.Choice(list(_ROLES)),
            "default": "document",
            "show_default": True,
            "help": "Role of all rows.",
        },
    ),
    (("--instruct",), {"help": "Task description, where the model takes one."}),
    (
        ("--route",),
        {
            "type": click.Choice(["native", "openai", "batch"]),
            "help": "batch: through the service's jobs at half the price.",
        },
    ),
    (
        ("--provider",),
        {"type": click.Choice(["ark", "dashscope"]), "help": "For a model the table does not have."},
    ),
    (
        ("--base-model",),
        {"type": MODEL_NAME, "help": "The row of the table to use for an endpoint id or a snapshot."},
    ),
    (("--region",), {"help": "cn-beijing, ap-southeast-1, ..."}),
    (("--base-url",), {"help": "Else from the environment, else by region."}),
    (("--workspace",), {"help": "DashScope workspace id."}),
    (("--upload",), {**_FLAG, "help": "Put local media into DashScope's temporary storage."}),
    (("--res-level",), {"type": int, "help": "Image resolution level, where the model has one."}),
    (
        ("--normalize/--no-normalize",),
        {"default": True, "show_default": True, "help": "Vectors of length one."},
    ),
    (
        ("--concurrency", "max_concurrency"),
        {"type": int, "default": 8, "show_default": True, "help": "Requests in flight."},
    ),
    (("--requests-per-minute",), {"type": float, "help": "The account's limit; else learnt from throttles."}),
    (("--tokens-per-minute",), {"type": float, "help": "Likewise."}),
    (("--cache",), {"type": _PATH, "help": "SQLite file of vectors to look in first and to add to."}),
    (
        ("--file-url",),
        {"help": "For text-embedding-async-*: where you put the files, with {name} for a name."},
    ),
    (("--wait/--no-wait",), {"default": True, "help": "Wait for the service's jobs, or come back later."}),
    (
        ("--group-rows",),
        {"type": click.IntRange(1), "help": "Rows of a Parquet row group; else about 16 MB."},
    ),
    (("--restart",), {**_FLAG, "help": "Drop what is there instead of going on with it."}),
    (
        ("--dry-run",),
        {**_FLAG, "help": "Say what it would send, cost and take; needs no key and sends nothing."},
    ),
    (("-q", "--quiet"), {**_FLAG, "help": "No progress."}),
    (("--json", "as_json"), {**_FLAG, "help": "Write one JSON object to stdout."}),
]


_PRICED = (
    "--model", "--format", "--text-column", "--image-column", "--video-column", "--id-column", "--media-root",
    "--role", "--instruct", "--route", "--provider", "--base-model", "--upload", "--res-level", "--requests-per-minute",
    "--tokens-per-minute", "--json",
)  # fmt: skip

_CLIENT = (
    "--dimensions", "--instruct", "--provider", "--base-model", "--region", "--base-url", "--workspace", "--upload",
    "--concurrency", "--requests-per-minute", "--tokens-per-minute", "--quiet", "--json",
)  # fmt: skip


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Add every option of the table to a command."""
    return _with(command, [name for names, _ in _TABLE for name in names])


def priced_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what is sent and what it costs."""
    return _with(command, _PRICED)


def client_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a client whose model may be left out."""
    return _with(command, _CLIENT)


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--json`."""
    return _with(command, ["--json"])


def _with(command: Callable[..., None], chosen: Sequence[str]) -> Callable[..., None]:
    for names, settings in reversed(_TABLE):
        if set(names) & set(chosen):
            command = click.option(*names, **settings)(command)
    return command

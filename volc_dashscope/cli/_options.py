"""The options that commands on items share, and their dataclasses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

import click
from click.shell_completion import CompletionItem

from volc_dashscope.bulk import Columns, PairColumns, ScanCallback, Source, open_source
from volc_dashscope.bulk._sources import FORMATS, Format
from volc_dashscope.cli._output import note, summary
from volc_dashscope.cli._paths import PathArgument
from volc_dashscope.models import ModelInfo, Provider, get_model_info, list_models
from volc_dashscope.models.rerank import list_rerank_models
from volc_dashscope.settings import ClientSettings

_ROLES = {"document": "document", "query": "query", "none": None}


class _ModelName(click.types.StringParamType):
    """`--model`: any text, because endpoint ids are names too."""

    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with the typed text."""
        fitting = (row for row in self._rows() if row.name.startswith(incomplete))
        return [CompletionItem(row.name, help=summary(row)) for row in fitting]

    def _rows(self) -> Iterable[ModelInfo]:
        return (row for row in list_models() if row.ready)


class _RerankModelName(_ModelName):
    """
    The name of a rerank model.

    Args:
        pictures: Whether only those are wanted that rank pictures.
    """

    def __init__(self, *, pictures: bool = False) -> None:
        self._pictures = pictures

    def _rows(self) -> Iterable[ModelInfo]:
        rows = (row for row in list_rerank_models() if not row.successor)
        return (row.as_model_info(row.name) for row in rows if row.multimodal or not self._pictures)


MODEL_NAME = _ModelName()
RERANK_MODEL_NAME = _RerankModelName()
PICTURE_RERANK_MODEL_NAME = _RerankModelName(pictures=True)


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """The options for a file of items, and those of a model that shape requests, tokens and price."""

    format: Format | None
    image_column: tuple[str, ...]
    video_column: tuple[str, ...]
    id_column: str | None
    media_root: Path | None
    encoding: str | None
    model: str
    instruct: str | None
    base_model: str | None
    truncate: bool
    max_image_pixels: int | None
    requests_per_minute: float | None
    tokens_per_minute: float | None
    as_json: bool

    def opened_at(
        self, path: Path, columns: Columns | PairColumns, watch: ScanCallback | None = None
    ) -> Source:
        """
        Return the source at a path.

        Raises:
            EmbeddingError: What `open_source` raises.
        """
        source = open_source(
            path,
            format=self.format,
            columns=columns,
            media_root=self.media_root,
            encoding=self.encoding,
            watch=watch,
        )
        if source.encoding is not None and self.encoding is None:
            note(f"{source.path.name} is read as {source.encoding}; to change it, pass --encoding")
        return source


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Options for the output, and for where and how requests are sent."""

    output: Path | None
    region: str | None
    base_url: str | None
    insecure_http: bool
    workspace: str | None
    max_concurrency: int
    cache: Path | None
    restart: bool
    group_rows: int | None
    quiet: bool


@dataclass(frozen=True, kw_only=True)
class SourceOptions(InputOptions):
    """Options for the items, and those that shape requests, tokens and price."""

    source: Path
    text_column: tuple[str, ...]
    role: str
    route: Literal["native", "openai", "batch"] | None
    provider: Provider | None
    upload: bool
    res_level: int | None

    def opened(self, watch: ScanCallback | None = None) -> Source:
        """
        Return the source.

        Args:
            watch: Called while a folder is scanned.
        """
        columns = Columns(self.text_column, self.image_column, self.video_column, self.id_column)
        return self.opened_at(self.source, columns, watch)

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
class EmbedOptions(SourceOptions, OutputOptions):
    """The options of `embed`, as they were given."""

    dimensions: int | None
    normalize: bool
    file_url: str | None
    wait: bool


def options_as_settings(options: object, model: str) -> ClientSettings:
    """Return the fields of options that have a setting's name; one that was left out keeps its default."""
    names = {field.name for field in fields(ClientSettings)} - {"model", "cache"}
    values = {name: getattr(options, name, None) for name in names}
    return ClientSettings(model, **{name: value for name, value in values.items() if value is not None})


_PATH = PathArgument()
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
    (
        ("-o", "--output"),
        {"type": _PATH, "help": "The Parquet file to write: columns id, row, vector and error."},
    ),
    (
        ("--format",),
        {"type": click.Choice(FORMATS), "help": "Format of the input. Default: from the file extension."},
    ),
    (
        ("--text-column",),
        {"multiple": True, "help": "Column with text. Several columns in one row give one fused vector."},
    ),
    (("--image-column",), {"multiple": True, "help": "Column with images: paths, URLs, or bytes (Parquet)."}),
    (("--video-column",), {"multiple": True, "help": "Column with videos: paths, URLs, or bytes (Parquet)."}),
    (("--id-column",), {"help": "Column with ids. Default: a column named id, else row numbers."}),
    (
        ("--media-root",),
        {
            "type": _PATH,
            "help": "Folder that must contain all local media files. Default: the folder of the input.",
        },
    ),
    (
        ("--encoding",),
        {
            "help": "Encoding of a text, JSONL or CSV file, such as gb18030. Default: UTF-8, or GBK if detected."
        },
    ),
    (("-d", "--dimensions"), {"type": int, "help": "Vector dimension. Default: the model's."}),
    (
        ("--role",),
        {
            "type": click.Choice(list(_ROLES)),
            "default": "document",
            "show_default": True,
            "help": "Whether the rows are documents or queries.",
        },
    ),
    (("--instruct",), {"help": "Task instruction, for models that support one."}),
    (
        ("--route",),
        {
            "type": click.Choice(["native", "openai", "batch"]),
            "help": "API route. batch: asynchronous jobs at half the price. Default: native.",
        },
    ),
    (
        ("--provider",),
        {
            "type": click.Choice(["ark", "dashscope"]),
            "help": "Service of a model that `volc-dashscope models` does not list.",
        },
    ),
    (
        ("--base-model",),
        {"type": MODEL_NAME, "help": "The listed model behind an endpoint id or a snapshot."},
    ),
    (("--region",), {"help": "Region of the service: cn-beijing, ap-southeast-1, ..."}),
    (("--base-url",), {"help": "Base URL. Default: from the environment, else from the region."}),
    (("--insecure-http",), {**_FLAG, "help": "Allow plain http:// beyond your own network."}),
    (("--workspace",), {"help": "DashScope workspace id."}),
    (("--truncate",), {**_FLAG, "help": "Cut texts that are longer than the model accepts."}),
    (
        ("--max-pixels", "max_image_pixels"),
        {
            "type": click.IntRange(1),
            "help": "Shrink local images with more pixels than this before sending them.",
        },
    ),
    (("--upload",), {**_FLAG, "help": "Upload local media to DashScope's temporary storage."}),
    (("--res-level",), {"type": int, "help": "Image resolution level, for models that have one."}),
    (
        ("--normalize/--no-normalize",),
        {"default": True, "show_default": True, "help": "Scale vectors to length 1 (L2)."},
    ),
    (
        ("--concurrency", "max_concurrency"),
        {"type": int, "default": 8, "show_default": True, "help": "Maximum number of requests in flight."},
    ),
    (
        ("--requests-per-minute",),
        {"type": float, "help": "Your account's request limit. Default: adapts when rate-limited."},
    ),
    (
        ("--tokens-per-minute",),
        {"type": float, "help": "Your account's token limit. Default: adapts when rate-limited."},
    ),
    (
        ("--cache",),
        {"type": _PATH, "help": "SQLite cache file: rows in it are not requested, new rows are added."},
    ),
    (
        ("--file-url",),
        {
            "help": "For text-embedding-async-*: URL of the uploaded request files, with {name} for the file name."
        },
    ),
    (
        ("--wait/--no-wait",),
        {
            "default": True,
            "show_default": True,
            "help": "Wait until the jobs end, or submit them and return.",
        },
    ),
    (
        ("--group-rows",),
        {"type": click.IntRange(1), "help": "Rows per Parquet row group. Default: about 16 MB."},
    ),
    (("--restart",), {**_FLAG, "help": "Discard existing output, finished or partial, and start again."}),
    (
        ("--dry-run",),
        {**_FLAG, "help": "Print requests, tokens, price and time; needs no key and sends nothing."},
    ),
    (("-q", "--quiet"), {**_FLAG, "help": "Show no progress."}),
    (("--json", "as_json"), {**_FLAG, "help": "Print the result as one JSON object."}),
]


_PRICED = (
    "--model", "--format", "--text-column", "--image-column", "--video-column", "--id-column", "--media-root",
    "--encoding", "--role", "--instruct", "--route", "--provider", "--base-model", "--upload",
    "--truncate", "--max-pixels", "--res-level", "--requests-per-minute", "--tokens-per-minute", "--json",
)  # fmt: skip

_CLIENT = (
    "--dimensions", "--instruct", "--provider", "--base-model", "--region", "--base-url", "--insecure-http",
    "--workspace", "--upload", "--truncate", "--max-pixels", "--concurrency", "--requests-per-minute",
    "--tokens-per-minute", "--quiet", "--json",
)  # fmt: skip


_RERANK_SHARED = (
    "--format", "--id-column", "--media-root", "--encoding", "--instruct", "--region", "--base-url",
    "--insecure-http", "--workspace", "--truncate", "--max-pixels", "--concurrency", "--requests-per-minute",
    "--tokens-per-minute", "--group-rows", "--restart", "--dry-run", "--quiet", "--json",
)  # fmt: skip

_RERANK: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        ("-m", "--model"),
        {
            "required": True,
            "type": RERANK_MODEL_NAME,
            "help": "Rerank model: qwen3-rerank, qwen3-vl-rerank, ...",
        },
    ),
    (
        ("-o", "--output"),
        {
            "type": _PATH,
            "help": "The Parquet file to write: columns id, row, query, index, score, rank and error.",
        },
    ),
    (("--query-column",), {"help": "Column with queries that are texts. Default: query."}),
    (("--query-image-column",), {"help": "Column with queries that are images: paths, URLs, or bytes (Parquet)."}),
    (("--document-column",), {"help": "Column with documents that are texts. Default: document."}),
    (
        ("--image-column",),
        {"multiple": True, "help": "Column with documents that are images: paths, URLs, or bytes (Parquet)."},
    ),
    (("--video-column",), {"multiple": True, "help": "Column with documents that are videos, by URL."}),
    (("--top-n",), {"type": click.IntRange(1), "help": "Number of best documents to return per query. Default: all."}),
    (
        ("--route",),
        {
            "type": click.Choice(["native", "openai"]),
            "default": "native",
            "show_default": True,
            "help": "API route. openai: the OpenAI-style endpoint, for texts.",
        },
    ),
    (("--base-model",), {"type": RERANK_MODEL_NAME, "help": "The listed rerank model behind another name."}),
    (
        ("--cache",),
        {"type": _PATH, "help": "SQLite cache file: queries whose scores are in it are not requested."},
    ),
]  # fmt: skip


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Add every option of the table to a command."""
    return _with(command, [name for names, _ in _TABLE for name in names])


def priced_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that shape what is sent and what it costs."""
    return _with(command, _PRICED)


def client_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a client whose model may be left out."""
    return _with(command, _CLIENT)


def rerank_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `rerank`."""
    for names, settings in reversed(_RERANK):
        command = click.option(*names, **settings)(command)
    return _with(command, _RERANK_SHARED)


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--json`."""
    return _with(command, ["--json"])


def _with(command: Callable[..., None], chosen: Sequence[str]) -> Callable[..., None]:
    for names, settings in reversed(_TABLE):
        if set(names) & set(chosen):
            command = click.option(*names, **settings)(command)
    return command

"""Reports of a bulk job: the preview, the progress, and the final report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from volc_dashscope._request.progress import ProgressStream
from volc_dashscope._types import counted
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import ModelInfo
from volc_dashscope.results import Usage

_MILLION = 1_000_000
_LINE_SECONDS = 10.0
_BAR_SECONDS = 0.2

State = Literal["done", "interrupted", "waiting"]
# Finished rows, failed rows, and their usage.
ProgressCallback = Callable[[int, int, Usage], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """
    What a job would still send and cost. Pairs are (lower, upper) bounds; the upper is None if no page states one.

    ```python
    found = preview("texts.txt", model="text-embedding-v4")
    print(found.items, found.requests)
    ```
    ```text
    2 1
    ```

    Attributes:
        rows: Rows of the source.
        finished: Rows saved by an earlier run.
        bad: Rows that cannot be embedded; nothing is sent for them.
        items: Rows that would be sent.
        requests: Requests for them, or lines of a batch.
        tokens: Estimated tokens; see `rule`.
        price: Price in `currency`; None if the model's row has none.
        currency: "CNY" or "USD"; None without a price.
        seconds: Shortest time at the account's limits, else at the model's published ones; None if both are unknown.
        rule: How tokens and price were estimated.
        as_of: Date of the price; None without one.
    """

    rows: int
    finished: int
    bad: int
    items: int
    requests: int
    tokens: tuple[int, int | None]
    price: tuple[float, float | None] | None
    currency: str | None
    seconds: float | None
    rule: str
    as_of: str | None

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    The final report of a job.

    ```python
    report = embed_file("texts.txt", "vectors.parquet", model="text-embedding-v4")
    print(report.state, report.rows, report.failed)
    ```
    ```text
    done 2 0
    ```

    Attributes:
        state: "done"; "interrupted" (the same call continues the job); or "waiting" for the service's own job.
        output: The Parquet file; it exists if the state is "done".
        rows: Finished rows, of this and of earlier runs.
        failed: Number of these with an error instead of a vector.
        resumed: Number of these from earlier runs.
        usage: What was billed for all of them.
        price: Price of the usage by the model's row; None if it has no price.
        currency: Currency of the price.
        failed_file: JSONL of the failed rows, which can be a source again; None if all went well.
        skipped_files: Number of files of a folder that are neither images nor videos by their names.
        jobs: Ids of the service's jobs, for `embed_batch`.
        damaged: Saved files that were damaged on the disk; their rows were embedded again.
    """

    state: State
    output: Path
    rows: int
    failed: int
    resumed: int
    usage: Usage
    price: float | None
    currency: str | None
    failed_file: Path | None = None
    skipped_files: int = 0
    jobs: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        paths = {"output": str(self.output), "failed_file": self.failed_file and str(self.failed_file)}
        usage = {name: value for name, value in asdict(self.usage).items() if name != "detail"}
        return {
            **asdict(self),
            **paths,
            "usage": usage,
            "jobs": list(self.jobs),
            "damaged": list(self.damaged),
        }


def amount(price: float, currency: str | None) -> str:
    """Return a price for display; one that rounds to zero is not shown as zero."""
    least = 0.0001
    return f"under {currency} {least}" if 0 < price < least else f"{currency} {price:,.4f}"


def price_of(usage: Usage, model_info: ModelInfo, *, batch: bool = False) -> float | None:
    """Return the price of tokens by the model's row."""
    price = model_info.price
    if price is None or (batch and price.batch is None):
        return None
    text = price.text if not batch or price.batch is None else price.batch
    image = text if batch or price.image is None else price.image
    return ((usage.total_tokens - usage.image_tokens) * text + usage.image_tokens * image) / _MILLION


class Progress:
    """
    Shows progress: a bar on a terminal, else a line every ten seconds.

    ```python
    from volc_dashscope.models import get_model_info

    bar = Progress(get_model_info("text-embedding-v4"), total=2)
    embed_file("texts.txt", "vectors.parquet", model="text-embedding-v4", watch=bar.show)
    bar.close()
    ```

    Args:
        model_info: Row of the model, for the price.
        total: Rows of the source, or None if unknown.
        unit: "row", or "file" for a folder.
        to: The stream to write to; None for stderr.
        clock: Returns seconds of a monotonic clock.
    """

    def __init__(
        self,
        model_info: ModelInfo,
        total: int | None,
        *,
        unit: str = "row",
        to: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model_info = model_info
        self._total, self._unit = total, unit
        self._before: int | None = None
        self._to = ProgressStream(to)
        self._clock = clock
        self._began = self._shown_at = clock()
        self._bar: Any = None
        if self._to.isatty():
            try:
                from tqdm import tqdm
            except ImportError as error:
                raise ConfigError('a progress bar needs tqdm: pip install "volc-dashscope[bulk]"') from error
            self._bar = tqdm(total=total, unit=unit, file=self._to, dynamic_ncols=True, smoothing=0.05)

    def scanned(self, step: str, number: int) -> None:
        """
        Show the scan of a source, until the first row is finished; pass it as `watch` to `open_source`.

        Args:
            step: What is done.
            number: Files or rows so far.
        """
        now = self._clock()
        if self._before is not None or now - self._shown_at < (
            _LINE_SECONDS if self._bar is None else _BAR_SECONDS
        ):
            return
        self._shown_at = now
        message = f"{step} {counted(number, f'{self._unit}s')}"
        if self._bar is not None:
            self._bar.set_description_str(message)
        else:
            self._write(f"{message} …\n")

    def show(self, rows: int, failed: int, usage: Usage) -> None:
        """
        Show the state of a job; pass it as `watch` to `embed_file`.

        Args:
            rows: Finished rows.
            failed: How many of them failed.
            usage: What was billed for them.
        """
        now = self._clock()
        if self._before is None:
            # Rows of earlier runs do not count for the rate.
            self._before = rows
            if self._bar is not None:
                self._bar.set_description_str(refresh=False)
                self._bar.reset(self._total)
                self._bar.n = self._bar.initial = rows
        if self._bar is not None:
            self._bar.update(rows - self._bar.n)
            if now - self._shown_at > 0.5:
                self._shown_at = now
                self._bar.set_postfix_str(self._spend(failed, usage), refresh=False)
        elif now - self._shown_at >= _LINE_SECONDS:
            self._shown_at = now
            rate = (rows - self._before) / (now - self._began)
            units = f"{self._unit}s"
            done = (
                counted(rows, units) if self._total is None else f"{rows:,} of {counted(self._total, units)}"
            )
            self._write(f"{done}, {rate:,.0f} {self._unit}s/s, {self._spend(failed, usage)}\n")

    def close(self) -> None:
        """Restore the terminal."""
        if self._bar is not None:
            self._bar.close()

    def _write(self, line: str) -> None:
        self._to.write(line)
        self._to.flush()

    def _spend(self, failed: int, usage: Usage) -> str:
        price = price_of(usage, self._model_info)
        currency = self._model_info.price.currency if self._model_info.price else ""
        spent = counted(usage.total_tokens, "tokens") if price is None else amount(price, currency)
        return f"{spent}, {failed:,} failed"

"""The output of a bulk job: started, continued or found finished, and written from its partial output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from volc_dashscope._paths import checked_path
from volc_dashscope.bulk._failed import write_failed
from volc_dashscope.bulk._identity import Identity, Records
from volc_dashscope.bulk._partial import DamagedGroupError, PartialOutput, RowFormat
from volc_dashscope.bulk._partial_folder import clean_up, discard, partial_folder
from volc_dashscope.bulk._report import Report, State, price_of
from volc_dashscope.bulk._storage import check_name
from volc_dashscope.bulk._vectors import facts_of, mapped
from volc_dashscope.errors import ConfigError, InputError
from volc_dashscope.models import ModelInfo
from volc_dashscope.results import Usage

# The fields of a report that are about this run or this machine and not about the rows.
_RUN_FACTS = ("output", "failed_file", "state", "resumed", "damaged")


def begin(
    output: Path,
    source: Records,
    settings: Mapping[str, Any],
    form: RowFormat,
    *,
    restart: bool,
    group_rows: int | None = None,
) -> PartialOutput | Report:
    """
    Open the partial output of a job, new or half finished; or return the report of an output that is finished.

    Args:
        settings: Everything but the source that shapes the rows, by name.
        form: The format of the rows.
        restart: Delete what is there instead.
        group_rows: Rows of a group; None for about 16 MB.

    Raises:
        ConfigError: The output cannot have this path, or was started with other settings or another source.
    """
    check_path(output, source.path)
    identity = Identity(settings, source)
    folder = partial_folder(output)
    if restart:
        discard(folder)
    elif not folder.exists() and output.exists():
        clean_up(folder)
        return _finished_report(output, identity)
    return PartialOutput(output, identity, form, group_rows)


def check_path(output: Path, source: Path) -> None:
    """
    Refuse a path that the output cannot have.

    Raises:
        ConfigError: Another extension than Parquet's, a name that is too long or not UTF-8, a missing folder,
            something else than a file, or the source itself.
    """
    if output.suffix.lower() not in (".parquet", ".pq"):
        raise ConfigError(
            f"output {output.name!r} is written as Parquet; call it {output.stem + '.parquet'!r}"
        )
    # The longest of the names next to the output: that of a partial output being removed.
    checked_path(output.with_name(f"{output.name}.partial.done"), "output")
    check_name(output, "output")
    if not output.parent.is_dir():
        raise ConfigError(
            f"output {str(output)!r} is in a folder that does not exist; create {str(output.parent)!r} first"
        )
    if output.is_dir():
        raise ConfigError(f"output {str(output)!r} is a folder; pass a file name in it")
    if output.exists() and not output.is_file():
        raise ConfigError(f"output {str(output)!r} is a pipe or a device; name a file")
    if output.exists() and output.samefile(source):
        raise ConfigError(f"output {str(output)!r} is the source itself; use another path")


def complete(
    partial: PartialOutput,
    report: Report,
    source: Path,
    failed_lines: Callable[[Iterable[bytes]], Iterable[bytes]],
) -> bool:
    """
    Write the finished output from the partial one, and the failed rows beside it.

    Returns:
        False if a saved group is damaged: its rows have to be processed again.

    Raises:
        InputError: There is no row.
        ConfigError: The same group was damaged before in this run, or a file cannot be written.
    """
    if report.rows == 0:
        partial.drop()
        raise InputError(f"source {source.name!r} has no rows")
    try:
        _write(partial, report, source, failed_lines)
    except DamagedGroupError as damage:
        partial.forget(damage)
        return False
    partial.drop()
    return True


def _write(
    partial: PartialOutput,
    report: Report,
    source: Path,
    failed_lines: Callable[[Iterable[bytes]], Iterable[bytes]],
) -> None:
    failed_file = _failed_path(report.output)
    if report.failed:
        write_failed(failed_lines(partial.groups(failed=True)), failed_file)
    elif failed_file.exists() and not (source.exists() and failed_file.samefile(source)):
        failed_file.unlink()  # left by an earlier job of this name
    facts = {**report.as_json(), "identity": partial.identity, "dimension": partial.dimension}
    partial.finish(report.output, {name: facts[name] for name in facts if name not in _RUN_FACTS})


def with_failed_file(report: Report, failed_lines: Callable[[Iterable[bytes]], Iterable[bytes]]) -> Report:
    """
    Return the report of a finished output, after writing its list of failed rows again if it is missing.

    Raises:
        ConfigError: The output is damaged, or the list cannot be written.
    """
    if report.failed_file is not None and not report.failed_file.exists():
        with mapped(report.output) as content:
            write_failed(failed_lines([content]), report.failed_file)
    return report


def report_of(
    partial: PartialOutput,
    output: Path,
    state: State,
    *,
    resumed: int,
    usage: Usage,
    model_info: ModelInfo,
    batch: bool = False,
    skipped_files: int = 0,
    jobs: tuple[str, ...] = (),
) -> Report:
    """
    Return the report of a job in its present state.

    Args:
        resumed, skipped_files, jobs: As in `Report`.
        usage: What was billed for all rows.
        batch: The Batch route's price applies.
    """
    return Report(
        state=state,
        output=output,
        rows=partial.rows,
        failed=partial.failed,
        resumed=resumed,
        usage=usage,
        price=price_of(usage, model_info, batch=batch),
        currency=model_info.price.currency if model_info.price else None,
        failed_file=_failed_path(output) if partial.failed and state == "done" else None,
        skipped_files=skipped_files,
        jobs=jobs,
        damaged=tuple(partial.damaged),
    )


def _failed_path(output: Path) -> Path:
    """Return the path for the failed rows of an output; `out.pq` and `out.parquet` have one each."""
    name = output.stem if output.suffix.lower() == ".parquet" else output.name
    return output.with_name(f"{name}.failed.jsonl")


def _finished_report(output: Path, identity: Identity) -> Report:
    """
    Return the report of an output that an earlier run has finished.

    Raises:
        ConfigError: The output belongs to other settings or another source.
    """
    facts = facts_of(output) or {}
    if not isinstance(facts.get("identity"), dict):
        raise ConfigError(
            f"output {output.name!r} exists and was not written by volc-dashscope; use another path, or restart"
        )
    identity.refuse_other(facts["identity"], f"output {output.name!r}")
    try:
        return _report_from(output, facts)
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"output {output.name!r} was written by another version of volc-dashscope; use another path, or restart"
        ) from error


def _report_from(output: Path, facts: Mapping[str, Any]) -> Report:
    usage = Usage(**facts["usage"])
    return Report(
        state="done",
        output=output,
        rows=facts["rows"],
        failed=facts["failed"],
        resumed=facts["rows"],
        usage=usage,
        price=facts["price"],
        currency=facts["currency"],
        failed_file=_failed_path(output) if facts["failed"] else None,
        skipped_files=facts["skipped_files"],
        jobs=tuple(facts["jobs"]),
    )

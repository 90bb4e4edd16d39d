"""`volc-dashscope doctor`: finds what prevents this machine from using the services, and says how to correct it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, cast, get_args

import click

from volc_dashscope import _config
from volc_dashscope._paths import escaped
from volc_dashscope.cli._checks import Finding, ServiceCheck, installed, service
from volc_dashscope.cli._options import json_option
from volc_dashscope.cli._output import ExitCode, exit_with, note, print_json
from volc_dashscope.models import Provider

_MARKS = {"ok": ("ok", "green"), "note": ("-", None), "fix": ("FIX", "red")}


@click.command()
@click.option("--provider", type=click.Choice(get_args(Provider)), help="Check only this service.")
@click.option("--region", help="Region of the service; needs --provider.")
@click.option(
    "--base-url", help="Base URL; needs --provider. Default: from the environment, else from the region."
)
@click.option("--workspace", help="DashScope workspace id.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 60),
    default=5.0,
    show_default=True,
    help="Seconds to wait for a connection.",
)
@click.option("--offline", is_flag=True, help="Check without opening a connection.")
@click.option(
    "--send-request",
    is_flag=True,
    help="Also send one short text to each service whose key is set. Billed: a few tokens.",
)
@json_option
def doctor(
    provider: Provider | None, offline: bool, send_request: bool, as_json: bool, **settings: Any
) -> None:
    """
    Check API keys, hosts, proxies, connections and package versions.

    Each line is one check. A line that starts with FIX says what to do. Keys are never shown. A connection
    to the service's host is opened and closed, and nothing is sent, unless --send-request is given.

    Exit code 0: nothing to fix. 1: something to fix.
    """
    if provider is None and (settings["region"] or settings["base_url"] or settings["workspace"]):
        raise click.UsageError("--region, --base-url and --workspace need --provider")
    if offline and send_request:
        raise click.UsageError("--offline and --send-request cannot be combined")
    found = []
    for finding in _findings(provider, connect=not offline, send=send_request, settings=settings):
        found.append(finding)
        if not as_json:
            mark, colour = _MARKS[finding.state]
            about = escaped(f"{finding.about + ':':24}{finding.words}")
            click.echo(click.style(f"{mark:4}", fg=colour) + about)
    fixes = sum(finding.state == "fix" for finding in found)
    if as_json:
        print_json({"fixes": fixes, "findings": [asdict(finding) for finding in found]})
    else:
        note(f"{fixes} to fix" if fixes else "nothing to fix")
    exit_with(ExitCode.FAILED_ROWS if fixes else ExitCode.DONE)


def _findings(
    provider: Provider | None, *, connect: bool, send: bool, settings: dict[str, Any]
) -> Iterator[Finding]:
    yield from installed()
    providers = cast("Sequence[Provider]", get_args(Provider)) if provider is None else (provider,)
    keyless = []
    for name in providers:
        for finding in service(ServiceCheck(provider=name, connect=connect, send=send, **settings)):
            if finding.about == f"{name} key" and finding.state == "note":
                keyless.append(name)
            yield _downgraded(finding, needed=provider is not None or name not in keyless)
    if provider is None and len(keyless) == len(providers):
        names = " or ".join(_config.KEY_VARIABLE[name] for name in providers)
        yield Finding(
            "keys",
            "fix",
            f"no key is set: set {names}; to try without a key, start `volc-dashscope emulator` and set the "
            "variables it prints",
        )


def _downgraded(finding: Finding, *, needed: bool) -> Finding:
    """Return a finding with its severity adjusted: a problem of a service that is not used need not be fixed."""
    if needed and finding.about.endswith(" key") and finding.state == "note":
        return replace(finding, state="fix")
    return finding if needed or finding.state == "ok" else replace(finding, state="note")

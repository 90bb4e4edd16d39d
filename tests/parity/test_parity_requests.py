"""For the same wish, our request is the vendor SDK's, but for the differences that are listed with a reason."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from canary import KEY
from capture import Exchange, Socket, differing, written
from differences import DIFFERENCES, REQUESTS, Difference
from intent_types import Intent
from intents import INTENTS
from vendors import ASYNC_APIS, Vendors, acall

from volc_dashscope import AsyncClient, Client
from volc_dashscope.jobs import AsyncFileJobs, FileJobs
from volc_dashscope.models import list_models

# Lower it when an entry goes; a new difference is a mistake until it has a reason.
MOST_DIFFERENCES = 10

PAIRS = [(intent, api) for intent in INTENTS for api in intent.apis]
# The request is built by the same code for both clients: a few wishes for each row and resource are enough.
ASYNC_CLAIMS = (
    "texts",
    "query",
    "fused",
    "video url",
    "workspace",
    "openai texts",
    "dense&sparse",
    "own header",
    "job of queries",
)
ASYNC_PAIRS = [
    (intent, api)
    for intent in INTENTS
    if intent.claim in ASYNC_CLAIMS
    for api in ASYNC_APIS[intent.door]
    if api not in intent.without
]


def names(pairs: list[tuple[Intent, str]]) -> list[str]:
    return [f"{intent.model_info.name}-{intent.claim}-{api}".replace(" ", "_") for intent, api in pairs]


def settings(intent: Intent, url: str) -> dict[str, object]:
    # One attempt, so that none is hidden; one at a time, so that requests arrive in the order of the items.
    # A URL that is passed in may be anybody's server on the compatible route, so the path has to be said.
    path = "/compatible-mode/v1" if intent.door == "openai" else intent.path
    plain = {"api_key": KEY, "base_url": url + path, "max_retries": 0}
    return {**plain, **({} if intent.door == "dashscope.jobs" else {"max_concurrency": 1}), **intent.settings}


def send(intent: Intent, url: str) -> None:
    """Say an intent in our words."""
    if intent.door == "dashscope.jobs":
        with FileJobs(intent.model, **settings(intent, url)) as jobs:
            jobs.submit(intent.items[0], **intent.call)
        return
    with Client(intent.model, **settings(intent, url)) as client:
        client.embed(intent.items, **intent.call)


async def asend(intent: Intent, url: str) -> None:
    """As `send`, awaited."""
    if intent.door == "dashscope.jobs":
        async with AsyncFileJobs(intent.model, **settings(intent, url)) as jobs:
            await jobs.submit(intent.items[0], **intent.call)
        return
    async with AsyncClient(intent.model, **settings(intent, url)) as client:
        await client.embed(intent.items, **intent.call)


def compare(intent: Intent, api: str, sdk: list[Exchange], ours: list[Exchange]) -> None:
    """Hold two captures against each other; every request has to show every listed difference and no other."""
    assert sdk, "the SDK sent nothing"
    assert ours, "we sent nothing"
    assert {200} == {exchange.response.status for exchange in (*sdk, *ours)}

    expected = listed(intent, api)
    count = expected.pop(REQUESTS, None)
    assert (count or (str(len(sdk)), str(len(sdk)))) == (str(len(sdk)), str(len(ours)))

    # Where the counts differ by intent, the SDK prepares something first: the last requests are the pair.
    shown: set[str] = set()
    for theirs, mine in zip(sdk[-len(ours) :], ours, strict=True):
        found = differing(theirs.request, mine.request)
        unlisted = {name: pair for name, pair in found.items() if not _matches(pair, expected.get(name))}
        present = expected.keys() & (written(theirs.request).keys() | written(mine.request).keys())
        shown |= present
        assert {} == unlisted
        assert set() == present - found.keys(), "no longer differs: take it off the list"
    assert expected.keys() == shown, "no longer differs: take it off the list"


def listed(intent: Intent, api: str) -> dict[str, tuple[str, str]]:
    fields: dict[str, tuple[str, str]] = {}
    for difference in DIFFERENCES:
        if difference.provider == intent.model_info.provider and difference.covers(intent, api):
            fields.update(difference.fields)
    return fields


def _matches(pair: tuple[str, str], patterns: tuple[str, str] | None) -> bool:
    return patterns is not None and all(map(re.fullmatch, patterns, pair))


@pytest.mark.parametrize(("intent", "api"), PAIRS, ids=names(PAIRS))
def test_we_send_what_the_sdk_sends(socket: Socket, vendors: Vendors, intent: Intent, api: str) -> None:
    _, sdk = socket.during(
        lambda: [vendors.call(api, intent.door, said) for said in intent.theirs], requests_only=True
    )
    _, ours = socket.during(lambda: send(intent, socket.emulator.url))

    compare(intent, api, sdk, ours)


@pytest.mark.parametrize(("intent", "api"), ASYNC_PAIRS, ids=names(ASYNC_PAIRS))
async def test_we_send_what_the_async_sdk_sends(socket: Socket, intent: Intent, api: str) -> None:
    url = socket.emulator.url

    async def all_of_theirs() -> None:
        for said in intent.theirs:
            await acall(url, api, intent.door, said)

    _, sdk = await socket.during_async(all_of_theirs, requests_only=True)
    _, ours = await socket.during_async(lambda: asend(intent, url))

    compare(intent, api, sdk, ours)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name.replace(" ", "_"))
def test_every_difference_is_shown_by_an_intent_and_has_its_reason(difference: Difference) -> None:
    shown = [
        intent
        for intent, api in PAIRS
        if difference.provider == intent.model_info.provider and difference.covers(intent, api)
    ]

    assert shown
    assert difference.fields
    assert difference.reason
    assert difference.source


def test_the_list_of_differences_only_shrinks() -> None:
    assert len(DIFFERENCES) == MOST_DIFFERENCES


def test_every_row_that_can_be_used_is_compared() -> None:
    """Prints the count for each model; see it with `pytest -rP`."""
    counts = Counter(intent.model_info.name for intent, _ in PAIRS)
    counts.update(intent.model_info.name for intent, _ in ASYNC_PAIRS)
    counts_of_rows = [f"{count:4}  {name}" for name, count in counts.items()]
    total = f"{counts.total():4}  comparisons, {len(DIFFERENCES)} intended differences"
    print("\n".join([*counts_of_rows, total]))  # noqa: T201 - the table is asked for
    expected = {row.name for row in list_models() if row.ready}

    assert expected == counts.keys()
    assert min(counts.values()) >= 10


def test_claims_are_unique_for_a_row() -> None:
    repeated = [
        key
        for key, count in Counter((each.model_info.name, each.claim) for each in INTENTS).items()
        if count > 1
    ]

    assert [] == repeated

"""A client for the examples: of the service whose key is set, else of an emulator that needs none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from volc_dashscope import Client, Reranker, get_model_info
from volc_dashscope.emulator import Emulator
from volc_dashscope.models import get_rerank_model_info

VARIABLES = {"ark": "ARK_API_KEY", "dashscope": "DASHSCOPE_API_KEY"}
# Nothing, or what the README and the Quickstart set for the emulator.
NO_KEY = {"", "emulator-takes-any"}


@contextmanager
def open_client(model: str, **settings: Any) -> Iterator[Client]:
    """Open a client, and print in one line which service it uses."""
    provider, variable = _provider(model), VARIABLES[_provider(model)]
    if has_key(model):
        with Client(model, **settings) as client:
            print(f"{variable} is set: {client}\n")
            yield client
        return
    with Emulator() as emulator:
        url = emulator.ark_url if provider == "ark" else emulator.dashscope_url
        with Client(model, base_url=url, api_key="emulator", **settings) as client:
            print(
                f"no key in {variable}: an emulator of {model} answers. Counts, roles and failures are real;"
            )
            print("vectors are stand-ins: colours and shared words count, the rank of a text says nothing.\n")
            yield client


@contextmanager
def open_reranker(model: str) -> Iterator[Reranker]:
    """Open a reranker of the same service; nothing is printed."""
    if has_key(model):
        with Reranker(model) as reranker:
            yield reranker
        return
    with (
        Emulator() as emulator,
        Reranker(model, base_url=emulator.dashscope_url, api_key="emulator") as reranker,
    ):
        yield reranker


def tell_what_a_key_changes(model: str, claim: str, rows: np.ndarray) -> None:
    """
    Print what stand-in vectors cannot show, and what stays and what changes with a key; nothing if there is one.

    Args:
        claim: What the scenario is about.
        rows: Some of the vectors.
    """
    if not has_key(model):
        variable, (count, length) = VARIABLES[_provider(model)], np.shape(rows)
        print(f"\nStand-ins do not show this: {claim}.")
        print(f"With {variable} set, the same texts go to {model}. The reply has the same shape,")
        print(
            f"{count} x {length:,} numbers here; the numbers are the model's, and the lines above are made of them."
        )


def has_key(model: str) -> bool:
    """Return whether the environment holds a key for the model's service, not the one for the emulator."""
    return os.environ.get(VARIABLES[_provider(model)], "").strip() not in NO_KEY


def wants_bar() -> bool:
    """Return whether a progress bar can be shown to somebody."""
    return sys.stderr.isatty() and find_spec("tqdm") is not None


def _provider(model: str) -> str:
    row = get_model_info(model)
    if get_rerank_model_info(model) is not None:
        return "dashscope"
    if row is None:
        raise SystemExit(f"{model} is not in the table of models; see volc_dashscope.list_models()")
    return row.provider

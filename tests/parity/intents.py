"""
Every intent, for every model row and every parameter.

Rows come from `volc_dashscope.models`, so a new model is compared as soon as it has a row. `vendors.py` says which
SDK stands in for the OpenAI-compatible route.
"""

from __future__ import annotations

from collections.abc import Iterator

from ark_intents import ark_media, ark_texts
from dashscope_intents import dashscope_media, dashscope_texts, file_jobs, openai
from intent_types import Intent

from volc_dashscope.models import list_models


def intents() -> Iterator[Intent]:
    """Yield every intent, row by row."""
    for row in list_models():
        if not row.ready:
            continue
        if row.provider == "ark":
            yield from ark_media(row) if row.endpoint == "multimodal" else ark_texts(row)
        elif row.endpoint == "async":
            yield from file_jobs(row)
        elif row.endpoint == "text":
            yield from dashscope_texts(row)
            yield from openai(row)
        else:
            yield from dashscope_media(row)


INTENTS = tuple(intents())

"""Finds the row of a model by its name, also in other spellings."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from volc_dashscope import models
from volc_dashscope._config.arguments import refuse_keys
from volc_dashscope._config.hosts import owner_of
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import ModelInfo, Provider, Route
from volc_dashscope.models.names import misspelt, near, plain

if TYPE_CHECKING:
    from volc_dashscope.models import RerankModelInfo

# Beginnings of the two vendors' model names.
_BEGINNINGS: dict[Provider, tuple[str, ...]] = {
    "ark": ("doubao", "skylark", "ep-", "ep_"),
    "dashscope": ("qwen", "text-embedding", "tongyi", "multimodal-embedding", "gte-"),
}
_MEDIA_WORDS = frozenset({"vision", "vl", "multimodal", "image", "video", "omni", "mm"})
# Safe for DashScope behind a gateway, and below the 32 of TEI (reference, compatible-servers.md, section 6).
_COMPATIBLE_BATCH = 10


def find_model_info(
    model: str,
    *,
    provider: Provider | None,
    base_model: str | None,
    model_info: ModelInfo | None,
    route: Route | None = None,
    base_url: str | None = None,
) -> ModelInfo:
    """
    Return the row that says what `model` can do; its `name` is what is sent.

    The first of these that is given decides: `model_info`, `base_model`, the row of the name, a permissive row for
    `provider`. Known names are recognised in other spellings. On the compatible route to a server that is not the
    vendor's, every name is accepted.

    Raises:
        ConfigError: The name is unknown and neither `base_model`, `model_info` nor `provider` says what it is; or it
            is a known one with a typing error.
    """
    if not isinstance(model, str) or not model.strip():
        raise ConfigError(f"model must be a model or endpoint id, got {model!r}")
    foreign = route == "openai" and _is_foreign(base_url)
    # A server that is not the vendor's may call its models as it likes.
    refuse_keys(model=None if foreign else model, base_model=base_model, provider=provider, route=route)
    model = model.strip()
    if not model.isprintable() and models.get_model_info(model) is None:
        raise ConfigError(f"model {model!r} contains a character that is not allowed in a model id")
    if model_info is not None and not isinstance(model_info, ModelInfo):
        raise ConfigError(f"model_info must be a ModelInfo, got {type(model_info).__name__}")
    if provider not in ("ark", "dashscope", None):
        raise ConfigError(f'provider must be "ark" or "dashscope", got {provider!r}')
    found = model_info if model_info is not None else _by_base_model(base_model)
    if found is not None:
        found = found.renamed(model)
    elif (found := models.get_model_info(model)) is None and not foreign:
        found = _unknown(model, provider)
    if foreign:
        return _compatible(found, model, provider)
    assert found is not None
    if provider is not None and provider != found.provider:
        raise ConfigError(f"{found.name} is served by {found.provider}, not by {provider!r}")
    if not found.ready:
        raise ConfigError(f"{found.name} cannot be used: {found.note}")
    return found


def suggestion(model: str, provider: Provider) -> str | None:
    """Return the known name of the same vendor that an unknown one resembles, or None."""
    return near(model, _names(provider))


def _by_base_model(base_model: str | None) -> ModelInfo | None:
    if base_model is None:
        return None
    found = models.get_model_info(base_model) if isinstance(base_model, str) else None
    if found is None:
        vendor = _vendor_of(base_model) if isinstance(base_model, str) else None
        near_one = near(base_model, _names(vendor)) if isinstance(base_model, str) else None
        hint = f"; did you mean {near_one!r}?" if near_one else "."
        raise ConfigError(
            f"base_model={base_model!r} is not in the table of models{hint} Known are {', '.join(_names(vendor))}"
        )
    return found


def _unknown(model: str, provider: Provider | None) -> ModelInfo:
    if models.get_rerank_model_info(model) is not None:
        raise ConfigError(f"{model!r} is a rerank model and cannot embed; use Reranker")
    vendor = provider or _vendor_of(model)
    alike = near(model, _names(vendor))
    if provider is None:
        hint = f"; did you mean {alike!r}? Otherwise pass" if alike else "; pass"
        example = alike or {"ark": "doubao-embedding-vision-251215", "dashscope": "text-embedding-v4"}.get(
            vendor or ""
        )
        named = f'base_model="{example}"' if example else 'base_model="..."'
        whose = f'provider="{vendor}"' if vendor else 'provider="ark" or provider="dashscope"'
        raise ConfigError(
            f"{model!r} is not in the table of models{hint} the known model with the same abilities ({named}), "
            f"or its provider ({whose})"
        )
    if re.search(r"\s", model):
        hint = f"; did you mean {alike!r}?" if alike else ""
        raise ConfigError(f"model {model!r} contains a space, which is not allowed in a model id{hint}")
    typo = misspelt(model, _names(provider))
    if typo is not None:
        raise ConfigError(
            f"{model!r} is not in the table of models; did you mean {typo!r}? If the name is right, pass "
            f'base_model="{typo}" (a model with the same abilities) or your own model_info'
        )
    return _permissive(model, provider)


def _is_foreign(base_url: str | None) -> bool:
    """Return whether a given base URL is not the vendor's; `find_url` checks it."""
    if not isinstance(base_url, str) or not base_url.strip():
        return False
    host = re.sub(r"[:/?#].*", "", base_url.strip().lower().partition("://")[2].rpartition("@")[2])
    return owner_of(host.removesuffix(".")) is None


def _compatible(found: ModelInfo | None, model: str, provider: Provider | None) -> ModelInfo:
    """Return a row for an OpenAI-compatible server: text only, under the name the server knows."""
    if found is not None and found.modalities == models.TEXT and found.endpoint == "text":
        # The limits of a known model hold behind a gateway too; what the form has no field for does not.
        return replace(
            found, name=model, routes=("openai",), reduces=found.reduces or None, instruct=False, sparse=False,
            multi_vector=False, ready=True,
        )  # fmt: skip
    return ModelInfo(
        name=model,
        provider=provider or "dashscope",
        endpoint="text",
        routes=("openai",),
        dimensions=(),
        default_dimension=None,
        reduces="either",
        batch=_COMPATIBLE_BATCH,
        source="",
        as_of="",
        note="unknown model of an OpenAI-compatible server: text only, optional fields only on request",
        known=False,
    )


def _vendor_of(model: str) -> Provider | None:
    spelt = plain(model)
    for provider, beginnings in _BEGINNINGS.items():
        if spelt.startswith(beginnings):
            return provider
    return None


def _permissive(model: str, provider: Provider) -> ModelInfo:
    """Return a row that allows all its service has, one item a request; the name decides the endpoint."""
    words = set() if model.startswith("ep-") else set(re.split(r"[^a-z]+", plain(model)))
    text, ark = "text" in words and not words & _MEDIA_WORDS, provider == "ark"
    if text and not ark and "async" in words:
        raise ConfigError(
            f"{model!r} looks like a model for file jobs; pass base_model='text-embedding-async-v2'"
        )
    media = models.TEXT_IMAGE_VIDEO if ark else models.ANY_MEDIA
    return ModelInfo(
        name=model,
        provider=provider,
        endpoint="text" if text else "multimodal",
        routes=("native", "openai", "batch") if text and not ark else ("native",),
        dimensions=(),
        default_dimension=None,
        reduces="server",
        modalities=models.TEXT if text else media,
        fusion=None if text else "always" if ark else "object",
        text_type=text and not ark,
        instruct=True,
        sparse=ark != text,
        multi_vector=ark and not text,
        video_knobs=ark and not text,
        source="",
        as_of="",
        note="not in the table of models: one item per request, optional fields only on request",
        known=False,
    )


def _names(provider: Provider | None) -> list[str]:
    return [row.name for row in models.list_models() if row.ready and provider in (None, row.provider)]


def find_rerank_model(
    model: str, *, base_model: str | None = None, model_info: RerankModelInfo | None = None
) -> RerankModelInfo:
    """
    Return the row that says what a rerank model can do.

    Raises:
        ConfigError: An unknown name, or a model the service has stopped.
    """
    if not isinstance(model, str) or not model.strip():
        raise ConfigError(f"model must be the name of a rerank model, got {model!r}")
    refuse_keys(model=model, base_model=base_model)
    name = model if base_model is None else base_model
    if not isinstance(name, str):
        raise ConfigError(f"base_model must be the name of a rerank model, got {name!r}")
    if model_info is not None and not isinstance(model_info, models.RerankModelInfo):
        raise ConfigError(f"model_info must be a RerankModelInfo, got {type(model_info).__name__}")
    row = model_info or models.get_rerank_model_info(name)
    names = [known.name for known in models.list_rerank_models() if not known.successor]
    if row is None and models.get_model_info(name) is not None:
        raise ConfigError(
            f"{name!r} is an embedding model and cannot rerank; use Client, or a rerank model: {', '.join(names)}"
        )
    if row is None:
        alike = near(name, names)
        raise ConfigError(
            f"{name!r} is not in the table of rerank models: {', '.join(names)}; "
            + (f"did you mean {alike!r}? For" if alike else "for")
            + f' another name of one of them pass base_model="{alike or "qwen3-rerank"}"'
        )
    if row.successor:
        raise ConfigError(f"{row.name} was shut down by the service; use {row.successor}")
    return row

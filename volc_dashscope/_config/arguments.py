"""Checks of argument names and values, and the documentation of arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from inspect import Parameter, cleandoc, signature
from typing import Self
from weakref import WeakKeyDictionary

from volc_dashscope._config.environment import KEY_VARIABLE
from volc_dashscope._error import looks_like_key
from volc_dashscope.errors import ConfigError

# The name elsewhere -> ours. LangChain's and LlamaIndex's packages for OpenAI, DashScope, Ark, Hugging Face and
# Cohere, the vendors' SDKs, and what this package's settings were called before they had these names.
_RENAMED = {
    "api_base": "base_url",
    "api_url": "base_url",
    "base_http_api_url": "base_url",
    "endpoint": "base_url",
    "endpoint_url": "base_url",
    "openai_api_base": "base_url",
    "ark_api_key": "api_key",
    "dashscope_api_key": "api_key",
    "openai_api_key": "api_key",
    "volc_engine_api_key": "api_key",
    "card": "model_info",
    "like": "base_model",
    "deployment": "model",
    "model_id": "model",
    "model_name": "model",
    "model": "model_name",
    "dimension": "dimensions",
    "embedding_dim": "dimensions",
    "embedding_dimension": "dimensions",
    "embedding_size": "dimensions",
    "output_dimension": "dimensions",
    "output_dimensionality": "dimensions",
    "truncate_dim": "dimensions",
    "async_http_client": "http_async_client",
    "http_client_async": "http_async_client",
    "headers": "default_headers",
    "extra_headers": "default_headers",
    "embed_instruction": "document_instructions",
    "document_instruction": "document_instructions",
    "text_instruction": "document_instructions",
    "query_instruction": "query_instructions",
    "instruction": "instruct",
    "instructions": "instruct",
    "keep_failed_bytes": "partial_results_bytes",
    "max_attempts": "max_retries",
    "num_retries": "max_retries",
    "retries": "max_retries",
    "max_workers": "max_concurrency",
    "concurrency": "max_concurrency",
    "normalize_embeddings": "normalize",
    "normalized": "normalize",
    "request_timeout": "timeout",
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "input_type": "text_type",
    "truncation": "truncate",
    "workspace_id": "workspace",
    "top_k": "top_n",
    "batch_size": "embed_batch_size",
    "chunk_size": "embed_batch_size",
}
_BATCHES = (
    "batches have the largest size the model allows, and max_concurrency= limits the requests in flight"
)
_ABSENT = {
    "batch_size": _BATCHES,
    "chunk_size": _BATCHES,
    "embed_batch_size": _BATCHES,
    "driver": "pass your own HTTP client as http_client= or http_async_client=",
    "encoding_format": "vectors are always requested as base64 where the service supports it",
    "text_type": 'pass the role with each call: embed(..., text_type="query")',
    "input_type": 'pass the role with each call: embed(..., text_type="query")',
    "output_type": "pass it with each call: embed(..., output_type=...)",
    "organization": "a key belongs to one account and region; see workspace= and region=",
}


class _UnknownArgumentError(ConfigError, TypeError):
    """Also a `TypeError`, which Python raises for an unknown argument."""


_FROM_ZERO = ("max_retries", "partial_results_bytes")
# Fields of a request's body that an `extra_body` must not replace, and what to do instead.
_CALL_FIELDS = {
    "model": "pass it as model",
    "input": "pass the items",
    "query": "pass the query",
    "documents": "pass the documents",
}


def refuse_unknown_names(names: Iterable[str], *, ours: Collection[str], owner: str) -> None:
    """
    Refuse an argument of a name that is not accepted: with our name for it, the name it resembles, or all names.

    Args:
        names: The names of the arguments.
        ours: The names that are accepted.
        owner: What they were given to.

    Raises:
        ConfigError: For the first such name; those of other packages come before misspelt ones.
    """
    all_names = list(names)
    for name in all_names:
        if name not in ours:
            _refuse_foreign_name(name, all_names, ours=ours, owner=owner)
    for name in all_names:
        if name not in ours:
            from difflib import get_close_matches

            alike = get_close_matches(name, ours, n=1)
            hint = f"did you mean {alike[0]}=?" if alike else f"allowed are {', '.join(sorted(ours))}"
            raise _UnknownArgumentError(f"{owner} has no {name}=; {hint}")


def refuse_positional(unnamed: Sequence[object], *, owner: str) -> None:
    """Refuse positional arguments where only keywords are allowed."""
    if unnamed:
        raise _UnknownArgumentError(
            f"{owner} accepts arguments by name only, got {len(unnamed)} by position; write model=, api_key=, ..."
        )


def _refuse_foreign_name(name: str, names: Collection[str], *, ours: Collection[str], owner: str) -> None:
    called = _RENAMED.get(name)
    if called in ours:
        both = f"; both were given, so leave out {name}=" if called in names else ""
        raise ConfigError(f"{owner} has no {name}=; use {called}={both}")
    if name in _ABSENT:
        raise ConfigError(f"{owner} has no {name}=: {_ABSENT[name]}")
    if called is not None:
        raise ConfigError(
            f"{owner} has no {name}= ({called}= in other classes of this library); leave it out"
        )


_ANY = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_PARAMETERS: WeakKeyDictionary[type, Mapping[str, Parameter]] = WeakKeyDictionary()


def _parameters(kind: type) -> Mapping[str, Parameter]:
    """
    Return a class's constructor arguments, read once: every new client is checked against them.

    A subclass that passes on all that it is given, such as the one that Ray makes of an `Embedder`, accepts what its
    base class does.
    """
    parameters = _PARAMETERS.get(kind)
    if parameters is None:
        own, base = signature(kind).parameters, kind.__mro__[1]
        passed_on = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in own.values())
        inherited = _parameters(base) if passed_on and issubclass(base, CheckedConstructor) else {}
        named = {name: parameter for name, parameter in own.items() if parameter.kind not in _ANY}
        parameters = _PARAMETERS[kind] = {**inherited, **named}
    return parameters


class CheckedConstructor:
    """Refuses unknown constructor arguments before Python raises its own `TypeError`."""

    __slots__ = ()

    def __new__(cls, *args: object, **settings: object) -> Self:
        names, unnamed = tuple(settings), len(args)
        # One of them is the key, and reports of crashes show local variables.
        del args, settings
        refuse_unknown_names(names, ours=cls._setting_names(), owner=cls.__name__)
        taken = _parameters(cls).values()
        first = [parameter.name for parameter in taken if parameter.kind is Parameter.POSITIONAL_OR_KEYWORD]
        if unnamed > len(first):
            raise _UnknownArgumentError(
                f"{cls.__name__} accepts only {' and '.join(first)} by position, got {unnamed} positional arguments; "
                "pass the others by name: api_key=, dimensions=, ..."
            )
        return super().__new__(cls)

    @classmethod
    def _setting_names(cls) -> Collection[str]:
        return _parameters(cls)


def refuse_keys(**given: object) -> None:
    """
    Refuse arguments that hold a key: they are sent, or become part of a host, a file or an error.

    Raises:
        ConfigError: With the name of the first such argument.
    """
    named = next(
        (name for name, value in given.items() if isinstance(value, str) and looks_like_key(value)), None
    )
    if named is not None:
        raise ConfigError(
            f"{named} looks like an API key (it is not shown here); pass a key as api_key, or set "
            + " or ".join(KEY_VARIABLE.values())
        )


def check_flags(flags: Mapping[str, object]) -> None:
    """Refuse switches that are not True or False: "no" would mean True."""
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ConfigError(f"{name} must be True or False, got {flag!r}")


def check_body(extra: object) -> None:
    """
    Refuse an `extra_body` that is no JSON object, or that replaces what a call embeds.

    Raises:
        ConfigError: With the field.
    """
    if extra is None:
        return
    if not isinstance(extra, Mapping):
        raise ConfigError(f"extra_body must be a mapping of fields, got {type(extra).__name__}")
    for name, remedy in _CALL_FIELDS.items():
        if name in extra:
            raise ConfigError(f"extra_body must not contain {name!r}: each call sets it; {remedy}")
    # Vectors of another length than a client waits for are refused, after they are paid for.
    inner = extra.get("parameters", {})
    if not isinstance(inner, Mapping):
        # It would take the place of the role and the length.
        raise ConfigError(f"parameters in extra_body must be a mapping of fields, got {type(inner).__name__}")
    named = [*extra, *inner]
    length = next((name for name in ("dimension", "dimensions") if name in named), None)
    if length is not None:
        raise ConfigError(f"extra_body must not contain {length!r}: it is a setting; pass it as dimensions")
    try:
        # orjson, which writes the request, has null for NaN and infinity.
        json.dumps(dict(extra), allow_nan=False, default=str)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"extra_body must be JSON: {error}") from error


def check_limits(
    counts: Mapping[str, object], seconds: Mapping[str, object], rates: Mapping[str, object] | None = None
) -> None:
    """
    Refuse limits that are not positive numbers.

    Args:
        counts: Settings that must be whole numbers from 1 (those of `_FROM_ZERO` from 0), by name.
        seconds: Settings that must be positive seconds, by name.
        rates: Settings that must be positive numbers a minute, or None, by name.
    """
    for name, number in (rates or {}).items():
        if number is not None and not _positive(number):
            raise ConfigError(f"{name} must be a positive number or None, got {number!r}")
    for name, number in counts.items():
        least = 0 if name in _FROM_ZERO else 1
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise ConfigError(f"{name} must be a whole number from {least}, got {number!r}")
    for name, number in seconds.items():
        if not _positive(number):
            raise ConfigError(f"{name} must be a positive number of seconds, got {number!r}")


def argument_docs(kind: type) -> dict[str, str]:
    """Return the documentation of each argument by name, from the docstrings of a class and its bases."""
    docs: dict[str, str] = {}
    for base in kind.__mro__:
        section = cleandoc(vars(base).get("__doc__") or "").partition("\nArgs:\n")[2].partition("\n\n")[0]
        for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.M):
            docs.setdefault(name, text)
    return docs


def document_arguments(kind: type, shared: Mapping[str, str]) -> None:
    """
    Complete a class's docstring, so that it documents every argument in the order of the signature.

    Args:
        kind: The class. Its own documentation of an argument, or a base's, takes precedence.
        shared: The documentation of the other arguments, by name, as `argument_docs` returns it.
    """
    docs = {**shared, **argument_docs(kind)}
    entries = [f"    {name}: {docs[name]}" for name in signature(kind).parameters if name in docs]
    sections = [
        section for section in cleandoc(kind.__doc__ or "").split("\n\n") if not section.startswith("Args:")
    ]
    place = next(
        (index for index, section in enumerate(sections) if section.startswith("Raises:")), len(sections)
    )
    kind.__doc__ = "\n\n".join([*sections[:place], "\n".join(["Args:", *entries]), *sections[place:]])


def _positive(number: object) -> bool:
    # The comparison is also False for NaN.
    return isinstance(number, int | float) and not isinstance(number, bool) and number > 0

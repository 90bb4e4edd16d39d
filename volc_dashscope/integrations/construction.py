"""The pydantic base of embedders and rerankers: construction, copies and pickles."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    SecretStr,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from volc_dashscope._config import refuse_foreign_names
from volc_dashscope.errors import ConfigError, EmbeddingError


def _as_str(path: object) -> object:
    # JSON has no `Path`.
    return os.fspath(path) if isinstance(path, os.PathLike) else path


# For fields of objects, which JSON cannot hold: without it there would be no JSON schema of the whole class.
OPAQUE = WithJsonSchema({"description": "An object, which JSON cannot hold."})
MediaRoot: TypeAlias = Annotated[str | Path | None, BeforeValidator(_as_str)]


class SettingsModel(BaseModel):
    """
    Settings as fields. `_connect` makes the client together with the object, so that wrong settings raise at once.

    A setting changed later is checked as at construction. If the client is made from it, the client is made again;
    where that fails, the setting is changed back.

    Errors show no value, because one of them is the key. An object with the user's own HTTP client cannot be copied
    or pickled.
    """

    model_config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        populate_by_name=True,
        protected_namespaces=(),
        # A misspelt key argument must not be printed with its value.
        hide_input_in_errors=True,
        validate_assignment=True,
    )

    # The fields that the client is made from.
    connecting: ClassVar[frozenset[str]] = frozenset()

    _connected: bool = PrivateAttr(default=False)

    if not TYPE_CHECKING:

        def __init__(self, **data):
            data = own_names(type(self), data)
            # After validation, not in a validator: pydantic would turn our errors into its own.
            refusal = None
            try:
                super().__init__(**data)
            except ValidationError as error:
                refusal = without_inputs(error)
            # It holds the key, and crash reports show local variables.
            data = None
            if refusal is not None:
                raise refusal
            self._connect()
            self._connected = True

        def __setattr__(self, name, value):
            if name.startswith("_"):
                super().__setattr__(name, value)
                return
            before, refusal = self.__dict__.get(name), None
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                refusal = without_inputs(error)
            if refusal is not None:
                raise refusal
            if name in self.connecting and self._connected:
                try:
                    self._connect()
                except EmbeddingError:
                    self.__dict__[name] = before
                    raise

        def model_copy(self, *, update=None, deep=False):
            copied = super().model_copy(update=update, deep=deep)
            if update:
                copied._connect()  # noqa: SLF001 - an object of this class
            return copied

        def __getstate__(self):
            self._require_own_connections()
            return super().__getstate__()

        def __deepcopy__(self, memo=None):
            self._require_own_connections()
            return super().__deepcopy__(memo)

    def _connect(self) -> None:
        raise NotImplementedError

    def _require_own_connections(self) -> None:
        # LlamaIndex drops what it cannot pickle, and the copy would make its own connections.
        if any(getattr(self, name) is not None for name in ("http_client", "http_async_client")):
            name = type(self).__name__
            raise ConfigError(f"{name} with your own http_client cannot be pickled or copied")


def describe_fields(kind: type[BaseModel], docs: Mapping[str, str]) -> None:
    """Give each field the description of the setting of its name."""
    for name, text in docs.items():
        if name in kind.model_fields:
            kind.model_fields[name].description = " ".join(text.split())


def own_names(kind: type[BaseModel], data: dict[str, Any]) -> dict[str, Any]:
    """
    Return a constructor's arguments under our names, with the key hidden, because crash reports show local variables.

    Raises:
        ConfigError: An argument under another package's name, or two names of one.
    """
    hide_key(data)
    spelled = getattr(kind, "spellings", {})
    names: set[str] = set()
    for name, field in kind.model_fields.items():
        aliases = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else ()
        known = {name, *(str(alias) for alias in aliases), *([field.alias] if field.alias else ())}
        known |= {other for other, ours in spelled.items() if ours == name}
        names |= known
        both = sorted(known & data.keys())
        if len(both) > 1:
            raise ConfigError(
                f"{kind.__name__}: {' and '.join(both)} are the same setting; pass only one of them"
            )
    refuse_foreign_names(data, ours=names, owner=kind.__name__)
    return {spelled.get(name, name): value for name, value in data.items()}


def hide_key(data: dict[str, Any]) -> None:
    """Wrap the key among a constructor's arguments, because crash reports show local variables."""
    for name, value in data.items():
        if name.endswith("api_key") and isinstance(value, str):
            data[name] = SecretStr(data[name])


def without_inputs(error: ValidationError) -> ValidationError:
    """Return the same error without the values: `hide_input_in_errors` leaves them in `.errors()`."""
    lines = [
        InitErrorDetails(type=PydanticCustomError(line["type"], line["msg"]), loc=line["loc"], input=None)
        for line in error.errors(include_url=False, include_input=False)
    ]
    return ValidationError.from_exception_data(error.title, lines, hide_input=True)

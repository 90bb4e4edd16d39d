"""The pydantic base of embedders and rerankers: construction, copies and pickles."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias, get_args

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from volc_dashscope._config import argument_docs, refuse_positional, refuse_unknown_names
from volc_dashscope._types import Secret
from volc_dashscope.errors import ConfigError, EmbeddingError


def _as_str(path: object) -> object:
    # JSON has no `Path`.
    return os.fspath(path) if isinstance(path, os.PathLike) else path


# For fields of objects, which JSON cannot hold: without it there would be no JSON schema of the whole class.
OPAQUE = WithJsonSchema({"description": "An object, which JSON cannot hold."})
if TYPE_CHECKING:
    # The constructor accepts the plain text and wraps it.
    Key: TypeAlias = SecretStr | str | None
else:
    Key: TypeAlias = SecretStr | None
MediaRoot: TypeAlias = Annotated[str | Path | None, BeforeValidator(_as_str)]


# Copies in one process share these: requests are to be paced and remembered together.
_SHARED = ("rate_limiter", "limiter", "cache")


class SettingsModel(BaseModel):
    """
    Settings as fields. `_connect` makes the client together with the object, so that wrong settings raise at once.

    A setting changed later is checked as at construction. If the client is made from it, the client is made again;
    where that fails, the setting is changed back.

    Errors are `ConfigError`s, as the core's own are, and show no text, because one of the values is the key.
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
    # A framework's own names for our settings.
    spellings: ClassVar[Mapping[str, str]] = {}

    _connected: bool = PrivateAttr(default=False)

    if not TYPE_CHECKING:

        def __new__(cls, *unnamed, **data):
            # Not in `__init__`: the signature that editors show would begin with it.
            hide_key(data)
            refuse_positional(unnamed, owner=cls.__name__)
            return super().__new__(cls)

        def __init__(self, **data):
            data = own_names(type(self), data)
            # After validation, not in a validator: pydantic would turn our errors into its own.
            refusal = None
            try:
                super().__init__(**data)
            except ValidationError as error:
                refusal = as_config_error(type(self), error)
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
            if name not in type(self).model_fields and not hasattr(type(self), name):
                _refuse_unknown_field(type(self), name)
            before, refusal = self.__dict__.get(name), None
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                refusal = as_config_error(type(self), error)
            if refusal is not None:
                raise refusal
            if name in self.connecting and self._connected:
                try:
                    self._connect()
                except EmbeddingError:
                    self.__dict__[name] = before
                    raise

        def model_copy(self, *, update=None, deep=False):
            update = own_names(type(self), dict(update or {}))
            copied = super().model_copy(deep=deep)
            if update:
                copied._change(update)  # noqa: SLF001 - an object of this class
            return copied

        def __getstate__(self):
            self._require_own_connections()
            return super().__getstate__()

        def __deepcopy__(self, memo=None):
            self._require_own_connections()
            return super().__deepcopy__(self._with_shared(memo))

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_bool(cls, value: object, info: ValidationInfo) -> object:
        """Refuse True and False for a number, as the core does: pydantic would accept them as 1 and 0."""
        if isinstance(value, bool):
            annotation = cls.model_fields[str(info.field_name)].annotation
            if not {int, float}.isdisjoint((annotation, *get_args(annotation))):
                raise ConfigError(f"{info.field_name} must be a number, got {value}")
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Document the fields that an integration adds, from the docstrings of its classes."""
        schema = super().__get_pydantic_json_schema__(core_schema, handler)
        docs = argument_docs(cls)
        for name, field in handler.resolve_ref_schema(schema).get("properties", {}).items():
            if name in docs:
                field.setdefault("description", " ".join(docs[name].split()))
        return schema

    def _connect(self) -> None:
        raise NotImplementedError

    def _change(self, settings: Mapping[str, Any]) -> None:
        """Change several settings, which may fit the model only together, and create the client once."""
        self._connected = False
        fields = _fields_by_name(type(self))
        for name, value in settings.items():
            setattr(self, fields[name], value)
        self._connect()
        self._connected = True

    def _with_shared(self, memo: dict[int, Any] | None) -> dict[int, Any]:
        """Return the memo of a deep copy, with the objects that the copy shares with the original."""
        memo = {} if memo is None else memo
        for name in _SHARED:
            shared = getattr(self, name, None)
            memo[id(shared)] = shared
        return memo

    def _require_own_connections(self) -> None:
        """Refuse to copy or pickle resources that only this object may use."""


def describe_fields(kind: type[BaseModel], docs: Mapping[str, str]) -> None:
    """Give each field the description of the setting of its name."""
    for name, text in docs.items():
        if name in kind.model_fields:
            kind.model_fields[name].description = " ".join(text.split())


def own_names(kind: type[SettingsModel], data: dict[str, Any]) -> dict[str, Any]:
    """
    Return a constructor's arguments under our names, with the key hidden, because crash reports show local variables.

    Raises:
        ConfigError: An argument the class does not have, or two names of one.
    """
    hide_key(data)
    fields = _fields_by_name(kind)
    spelt_as: dict[str, list[str]] = {}
    for name in sorted(fields.keys() & data.keys()):
        spelt_as.setdefault(fields[name], []).append(name)
    for names in spelt_as.values():
        if len(names) > 1:
            raise ConfigError(
                f"{kind.__name__}: {' and '.join(names)} are the same setting; pass only one of them"
            )
    refuse_unknown_names(data, ours=fields.keys(), owner=kind.__name__)
    return {kind.spellings.get(name, name): value for name, value in data.items()}


def _fields_by_name(kind: type[SettingsModel]) -> dict[str, str]:
    """Return the field for each name that the constructor accepts."""
    fields: dict[str, str] = {}
    for name, field in kind.model_fields.items():
        aliases = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else ()
        spellings = (other for other, ours in kind.spellings.items() if ours == name)
        for known in (name, *aliases, field.alias, *spellings):
            if known:
                fields[str(known)] = name
    return fields


def _refuse_unknown_field(kind: type[SettingsModel], name: str) -> None:
    """Refuse to set a name that is not a field; name the field if it is one of the constructor's aliases."""
    field = _fields_by_name(kind).get(name)
    if field is not None:
        raise ConfigError(f"{kind.__name__} has no {name}=; use {field}=")
    refuse_unknown_names([name], ours=kind.model_fields, owner=kind.__name__)


def hide_key(data: dict[str, Any]) -> None:
    """Wrap the key among a constructor's arguments, because crash reports show local variables."""
    for name, value in data.items():
        if name.endswith("api_key") and isinstance(value, str):
            data[name] = SecretStr(data[name])


def as_secret(key: Key) -> Secret | None:
    """Return a key in the form that the core accepts."""
    if key is None:
        return None
    return Secret(key if isinstance(key, str) else key.get_secret_value())


def as_config_error(kind: type[BaseModel], error: ValidationError) -> ConfigError:
    """Return pydantic's error as one of ours, without the texts among the values."""
    refused: dict[str, str] = {}
    for line in error.errors(include_url=False):
        # A union has one line for each of its types; the first is enough.
        name = str((*line["loc"], "settings")[0])
        ours = line.get("ctx", {}).get("error")
        message = (
            str(ours)
            if isinstance(ours, ConfigError)
            else f"{name} {_refusal(line['msg'], _shown(name, line['input']))}"
        )
        refused.setdefault(name, message)
    return ConfigError(f"{kind.__name__}: {'; '.join(refused.values())}")


def _shown(name: str, value: object) -> str:
    """Return how an error shows a value: a number itself, but only the type of a text or a key."""
    is_number = value is None or isinstance(value, int | float)
    return repr(value) if is_number and not name.endswith("api_key") else type(value).__name__


def _refusal(message: str, shown: str) -> str:
    """Return pydantic's message in our wording, with the rejected value."""
    if message == "Field required":
        return "is missing"
    allowed = re.split(r", (?:got|unable to) ", message.replace("Input should be", "must be"))[0]
    return f"{allowed}, got {shown}"

"""API keys: found in the argument or the environment, and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from volc_dashscope._config.addresses import Address
from volc_dashscope._config.environment import KEY_VARIABLE, read
from volc_dashscope._types import Secret
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import Provider

_QUOTES = "\"'`“”‘’«»„＂＇"
# Compiled at their first use: all of them take two milliseconds of the import.
_VARIABLE = (
    r"\$\{?\w+.*|\$\(.*|%\w+%|\{\{.*\}\}|\{\w+\}|os\.(environ|getenv).*|process\.env\..*|\w*secrets\.\w+"
)
_IN_BRACKETS = r"<.*>|\[.*\]|\(.*\)|＜.*＞|【.*】|（.*）"
_PLACEHOLDER = (
    r"(?i)(sk-|ark-)?[-_ ]*((your|my|the|put|insert|enter|paste|replace|add|here|with|real|actual|ark|dashscope|volc"
    r"|volcengine|aliyun|bailian|api|secret|access|token|key)[-_ ]*)*(key|token)([-_ ]*(here|value|goes|me|1|2|3))*"
    r"|(sk-|ark-)?[xX]{3,}|(sk-|ark-)?[.…*_-]+|sk-|todo|tbd|fixme|change[-_]?me|replace[-_]?me|none|null|nil|undefined"
    r"|empty|placeholder|example|dummy|secret|password|test[-_]?key|true|false|sk"
)
_MASKED = r".*(\*{2,}|\.{3,}|…|•{2,}|[xX]{6,}).*"
_ASSIGNMENT = r"(?s)(export\s+|set\s+)?[A-Za-z_]\w*\s*=\s*\S.*|[\"']?(api[-_ ]?)?key[\"']?\s*[:：].*"
_URL = r"(?i)https?://.*"
_BEARER = r"(?i)bearer([ :]|\Z)|authorization:"
_BASIC = r"(?i)basic "
_PATH = r"(?i)(file:|\.{1,2}/|/[\w.-]+/|~/|[A-Za-z]:[\\/]|\\\\).*"
# Not a regular expression: one with so wide a range takes a millisecond to compile.
_INVISIBLE = frozenset("\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u202a\u202b\u202c\u202d\u202e\u00ad")


def find_key(
    provider: Provider,
    key: Secret | str | None,
    environ: Mapping[str, str] | None = None,
    *,
    address: Address | None = None,
) -> Secret | None:
    """
    Return the key: the argument, else the service's environment variable; None where a server may want none.

    White space around a key is dropped (files end in a newline). A key is never printed, and no variable here or
    in the caller holds one as text when this raises: reports of crashes show local variables.

    Args:
        address: Where it will be sent. A server that is not the vendor's gets the argument or nothing.

    Raises:
        ConfigError: No key, or one that cannot be a key.
    """
    variable, foreign = KEY_VARIABLE[provider], address is not None and address.foreign
    origin = "api_key" if key is not None else f"the environment variable {variable}"
    if key is None and foreign:
        return None
    key = sealed(key if key is not None else read(variable, environ))
    if key is not None and not isinstance(key.reveal(), str):
        raise ConfigError(f"{origin} must be a str, got {type(key.reveal()).__name__}")
    if key is None or not key.reveal().strip():
        if foreign:
            return None
        raise ConfigError(
            f"no API key: pass api_key or set the environment variable {variable}; "
            "to try without a key, start `volc-dashscope emulator` and set the variables it prints"
        )
    key = Secret(key.reveal().strip())
    fault = key_fault(key, foreign=foreign)
    if fault is not None:
        raise ConfigError(f"{origin} {fault} (it is not shown here)")
    return key


def key_name(provider: Provider, argument: Secret | None, key: Secret | None) -> str:
    """Return the name of a key in messages: the argument or variable it came from; empty without a key."""
    if key is None:
        return ""
    return "api_key" if argument is not None else KEY_VARIABLE[provider]


def has_key(provider: Provider) -> bool:
    """Return whether the environment holds a key for a service."""
    return bool((read(KEY_VARIABLE[provider], None) or "").strip())


def sealed(key: Secret | str | None) -> Secret | None:
    """Return a key wrapped so that no `repr` shows it. Never raises; `find_key` checks it."""
    return key if key is None or isinstance(key, Secret) else Secret(key)


def key_fault(key: Secret, *, foreign: bool = False) -> str | None:
    """
    Return why a text cannot be a key, without showing it; None if it can.

    Args:
        foreign: For a server that is not the vendor's. Those often accept any word, such as "none" or "EMPTY".
    """
    text = key.reveal()
    fault = next(
        (check.reason for check in _FAULTS if (check.everywhere or not foreign) and check.found(text)), None
    )
    del text
    return fault


class _Fault(NamedTuple):
    """
    Attributes:
        found: Whether a text has the fault.
        reason: What is wrong, without the text.
        everywhere: A fault for any server, also for those that accept words such as "none".
    """

    found: Callable[[str], object]
    reason: str
    everywhere: bool = True


_FAULTS = (
    _Fault(lambda text: text[:1] in _QUOTES or text[-1:] in _QUOTES, "has quotes around it; remove them"),
    _Fault(partial(re.fullmatch, _VARIABLE), "is an unexpanded variable; replace it by its value"),
    _Fault(
        partial(re.fullmatch, _IN_BRACKETS),
        "is a placeholder in brackets; replace it by the key of your account",
    ),
    _Fault(
        partial(re.fullmatch, _PLACEHOLDER),
        "is a placeholder; replace it by the key of your account",
        everywhere=False,
    ),
    _Fault(partial(re.fullmatch, _URL), "is a URL, not a key; pass a URL as base_url"),
    _Fault(partial(re.fullmatch, _PATH), "is a path; pass the content of the file"),
    _Fault(partial(re.match, _BEARER), "starts with Bearer, which the library adds itself; leave it out"),
    _Fault(partial(re.match, _BASIC), "is a user name and a password; pass an API key", everywhere=False),
    _Fault(
        partial(re.fullmatch, _ASSIGNMENT),
        "contains the variable's name too; pass only what follows the equals sign",
    ),
    _Fault(
        lambda text: text.isascii() and re.search(r"\s#", text) and "\n" not in text,
        "is followed by a comment; remove it",
    ),
    _Fault(
        partial(re.fullmatch, _MASKED),
        "is masked, as the console displays it; copy the whole key",
        everywhere=False,
    ),
    _Fault(
        lambda text: not _INVISIBLE.isdisjoint(text),
        "contains an invisible character (a byte order mark, a zero-width space) that is not allowed in a header; "
        "copy the key again",
    ),
    _Fault(
        # Pages in Chinese have placeholders for the key.
        lambda text: any("\u4e00" <= letter <= "\u9fff" for letter in text),
        "contains a Chinese character, which is not allowed in a header; if it is a placeholder, replace it by the "
        "key of your account",
    ),
    _Fault(
        lambda text: text[-1:] in ",;",
        "ends in a comma or semicolon, probably copied with it; remove it",
        everywhere=False,
    ),
    _Fault(
        lambda text: not (text.isascii() and text.isprintable() and " " not in text),
        "contains a character that is not allowed in a header (a line break, a space or a non-ASCII character); copy "
        "the key again",
    ),
)

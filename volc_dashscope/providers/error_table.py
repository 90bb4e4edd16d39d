"""Turns a refusal into one of our errors by its status and code. Each provider has its own table. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from volc_dashscope._config import KEY_VARIABLE
from volc_dashscope._config.model_names import suggestion
from volc_dashscope._limits.retry import retry_after
from volc_dashscope._types import Batch, Reply, RequestSpec
from volc_dashscope.errors import (
    AuthError,
    BadReplyError,
    ContentError,
    EmbeddingError,
    QuotaError,
    RateLimitError,
    RequestError,
    ServiceUnavailableError,
)
from volc_dashscope.inputs import flat_parts

_LONGEST_MESSAGE = 400
_LONGEST_NAME = 120
_ECHO = 16
_ECHO_OF_KEY = 8
# How services mask a key.
_ELIDED = re.compile(r"\*{2,}|\.{3,}|…|•{2,}")
# `InvalidParameter.X`, `insufficient_quota`, `NOT AUTHORIZED`.
_CODE = re.compile(r"[\w.-]+( [\w.-]+)?", re.ASCII)


class ErrorMeaning(NamedTuple):
    """The meaning of a refusal: its class, and whether to retry, to stop the call, or to split the batch."""

    error: type[EmbeddingError]
    retryable: bool = False
    account: bool = False
    splittable: bool = False
    limit: Literal["requests", "tokens", "concurrency"] | None = None


SLOW_DOWN = ErrorMeaning(RateLimitError, retryable=True)
FEWER_REQUESTS = ErrorMeaning(RateLimitError, retryable=True, limit="requests")
FEWER_TOKENS = ErrorMeaning(RateLimitError, retryable=True, limit="tokens")
FEWER_AT_ONCE = ErrorMeaning(RateLimitError, retryable=True, limit="concurrency")
OUT_OF_QUOTA = ErrorMeaning(QuotaError, account=True)
BAD_KEY = ErrorMeaning(AuthError, account=True)
NOT_ALLOWED = ErrorMeaning(AuthError, account=True)
NO_SUCH_MODEL = ErrorMeaning(RequestError, account=True)
BAD_REQUEST = ErrorMeaning(RequestError)
BAD_CONTENT = ErrorMeaning(ContentError, splittable=True)
BAD_MEDIA = ErrorMeaning(ContentError, splittable=True)
TRY_LATER = ErrorMeaning(ServiceUnavailableError, retryable=True)
# A success without content, such as 204.
NOTHING_THERE = ErrorMeaning(BadReplyError, retryable=True)


class Rule(NamedTuple):
    """One line of a service's error table; `message_contains` narrows a code that has several meanings."""

    status: int | None
    code: str
    meaning: ErrorMeaning
    message_contains: str = ""


class Refusal(NamedTuple):
    """
    What a service answered instead of rows, and to what.

    Attributes:
        subject: What was refused, if not a batch of items.
        path: The path after the base URL, shown if nothing was found there.
        hint: What to do, if the service's message does not say so.
    """

    provider: str
    reply: Reply
    code: str | None
    message: str
    request_id: str | None
    batch: Batch
    spec: RequestSpec
    subject: str = ""
    path: str = ""
    hint: str = ""


def judge(rules: Iterable[Rule], refusal: Refusal) -> EmbeddingError:
    """
    Return the error for a refusal.

    The first rule that matches wins. A code matches itself and its dotted children
    (`InvalidParameter` matches `InvalidParameter.X`); unknown codes are judged by status.
    """
    refusal = refusal._replace(
        code=_code(refusal.code, refusal.spec), request_id=sanitize_id(refusal.request_id)
    )
    reply, batch = refusal.reply, refusal.batch
    found = (rule.meaning for rule in rules if _matches(rule, refusal))
    meaning = next(found, None) or _by_status(reply.status)
    if reply.ok and not refusal.code and not refusal.message:
        meaning = NOTHING_THERE
    return meaning.error(
        _sentence(refusal, meaning) + refusal.hint,
        provider=refusal.provider,
        status=reply.status,
        code=refusal.code,
        request_id=refusal.request_id,
        index=batch.positions[0] if len(batch) == 1 else None,
        retryable=meaning.retryable,
        retry_after=retry_after(reply.headers, reply.at),
        limit=meaning.limit,
        account=meaning.account,
        splittable=meaning.splittable,
    )


def _matches(rule: Rule, refusal: Refusal) -> bool:
    status, code = refusal.reply.status, refusal.code or ""
    return (
        # An error with a status of success is known by its code only.
        (rule.status in (None, status) or (refusal.reply.ok and rule.code != ""))
        and (not rule.code or code == rule.code or code.startswith(rule.code + "."))
        and (not rule.message_contains or rule.message_contains in refusal.message)
    )


# Unsourced A45: an unknown code is handled by its HTTP status, and an unknown 429 may be retried.
def _by_status(status: int) -> ErrorMeaning:
    if status == 401:
        return BAD_KEY
    if status == 403:
        return NOT_ALLOWED
    if status == 404:
        return NO_SUCH_MODEL
    if status == 429:
        return SLOW_DOWN
    if status in (408, 409) or status >= 500:
        return TRY_LATER
    return BAD_REQUEST


def _sentence(refusal: Refusal, meaning: ErrorMeaning) -> str:
    spec, status = refusal.spec, refusal.reply.status
    if meaning is BAD_KEY:
        text = _rejected(refusal)
    else:
        reported = _without_echo(refusal.message, refusal.batch, spec)
        text = f"{refusal.provider} refused {refusal.subject or named(refusal.batch)}"
        text += f" with {status} {refusal.code or '(no code)'}"
        text += f": {reported}" if reported else ""
        if status == 404 or 300 <= status < 400:
            text = _with_sentence(text, _requested_address(refusal))
        if meaning is NO_SUCH_MODEL and not spec.foreign and not spec.model_info.known:
            suggested = suggestion(spec.model_info.name, spec.model_info.provider)
            text = _with_sentence(text, f"Did you mean {suggested!r}?") if suggested else text
        if meaning is OUT_OF_QUOTA:
            text = _with_sentence(text, "Retrying does not help; check the account's balance and limits")
    return text + (f" [request id {refusal.request_id}]" if refusal.request_id else "")


def _rejected(refusal: Refusal) -> str:
    """Return the message for a rejected key: what happened, the service's own message, and what may help."""
    spec, status = refusal.spec, refusal.reply.status
    host = spec.host or spec.place
    if spec.key is None:
        text = f"authentication failed ({status}): no API key was sent to {host}, which requires one"
    else:
        text = f"authentication failed ({status}): {spec.key_name or 'api_key'} was rejected by {host}"
    text += f" ({refusal.code})" if refusal.code else ""
    reported = _without_echo(_with_masked_key(refusal.message, spec), refusal.batch, spec)
    text += f": {reported}" if reported else ""
    if spec.foreign:
        variable = KEY_VARIABLE[spec.model_info.provider]
        return _with_sentence(text, f"{variable} is sent to hosts of the vendor only; pass api_key")
    return _with_sentence(text, f"A key is valid in one region only; this one was used with {spec.place}")


def _with_sentence(text: str, sentence: str) -> str:
    """Return a text followed by a sentence. A service's own message may end with a full stop or not."""
    return f"{text.rstrip('.。 ')}. {sentence}"


def _with_masked_key(message: str, spec: RequestSpec) -> str:
    """Return a service's message with the key, or the part of it that a gateway shows, masked."""
    key = spec.key.reveal() if spec.key is not None else ""
    if len(key) < 4:
        return message
    message = message[: 4 * _LONGEST_MESSAGE].replace(key, "***")
    return " ".join("***" if _shows_key(word, key) else word for word in message.split())


def _shows_key(word: str, key: str) -> bool:
    """Return whether a word shows eight consecutive characters of the key, or its first or last four and a mask."""
    if _repeats(word, key, min(len(key), _ECHO_OF_KEY)):
        return True
    return bool(_ELIDED.search(word)) and (key[:4] in word or key[-4:] in word)


def _requested_address(refusal: Refusal) -> str:
    """Return which host and path answered, because a wrong base URL shows there."""
    reply, base = refusal.reply, urlsplit(refusal.spec.base_url)
    text = f"Requested: {refusal.spec.host or base.netloc}{base.path}{refusal.path}"
    if reply.status == 404:
        return text + "; check the model and base_url"
    try:
        location = urlsplit(reply.headers.get("location") or "")
        target = f"{location.netloc.rpartition('@')[2]}{location.path}"
    except ValueError:
        target = ""
    shown = f", which redirects to {_line(target, _LONGEST_NAME)}" if target else ""
    return f"{text}{shown}; redirects are not followed; correct base_url"


def named(batch: Batch) -> str:
    """Return the names of a batch's items."""
    first, last = batch.positions[0], batch.positions[-1]
    return f"item {first}" if first == last else f"items {first} to {last}"


def sanitize_id(name: object) -> str | None:
    """Return an id or name of a reply as a message may show it; None if it is not a name."""
    line = _line(name, _LONGEST_NAME) if isinstance(name, str) else ""
    return line if line and " " not in line else None


def _code(code: str | None, spec: RequestSpec) -> str | None:
    """Return a service's code, unless it does not look like one or repeats the key."""
    line = _line(code or "", _LONGEST_NAME)
    return line if _CODE.fullmatch(line) and not _holds_key(line, spec) else None


def _line(message: str, longest: int) -> str:
    if len(message) <= longest and message.isprintable() and " " not in message:
        return message  # every usual name, in every reply
    # Cut first: an unknown server may send megabytes.
    message = " ".join(message[: 4 * longest].split())
    return "".join(letter for letter in message if letter.isprintable())[:longest]


def _without_echo(message: str, batch: Batch, spec: RequestSpec) -> str:
    """Return the service's message, unless it repeats what was sent: errors hold neither content nor keys."""
    message = _line(message, _LONGEST_MESSAGE)
    if ";base64," in message:
        return ""
    if _holds_key(message, spec):
        return ""
    return "" if any(_repeats(message, sent, _ECHO) for sent in _sent(batch)) else message


def _holds_key(message: str, spec: RequestSpec) -> bool:
    # Real keys have dozens of letters; a key of three letters, as in tests, occurs in any sentence.
    key = spec.key
    return key is not None and len(key) >= _ECHO_OF_KEY and _repeats(message, key.reveal(), _ECHO_OF_KEY)


def _repeats(message: str, sent: str, length: int) -> bool:
    """Return whether a message repeats `length` consecutive characters of what was sent, or all of a shorter text."""
    if len(sent) < length:
        return len(sent) >= 4 and sent in message
    return any(message[at : at + length] in sent for at in range(len(message) - length + 1))


def _sent(batch: Batch) -> Iterator[str]:
    """Yield every text and URL of a batch, with the same white space as the message they are compared to."""
    for part in (part for item in batch.items for part in flat_parts(item)):
        yield " ".join((part if isinstance(part, str) else part.url or "").split())

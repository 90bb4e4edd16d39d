"""
Puts local media into DashScope's temporary storage, so that requests hold `oss://` URLs instead of bytes.

Page: help.aliyun.com/zh/model-studio/get-temporary-file-url, as of 2026-11-21. A file lives 48 hours, is bound to
the model and the account, and cannot be listed or read back. Done only for a client with `upload=True`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlencode

import orjson

from volc_dashscope._media import source_of_url
from volc_dashscope._request.exchange import Step, exchange
from volc_dashscope._request.temporary_storage import Policy, Storage, multipart
from volc_dashscope._types import Batch, Flow, Reply, Request, RequestSpec, Wait
from volc_dashscope.errors import ContentError, EmbeddingError, InputError, RequestError
from volc_dashscope.inputs import Frames, Fused, Image, Item, Part, Video, parts
from volc_dashscope.providers import dashscope
from volc_dashscope.providers.error_table import BAD_REQUEST, ErrorMeaning, Refusal, Rule, judge
from volc_dashscope.providers.parsing import Malformed, bad_reply

M = TypeVar("M", Image, Video)

_EXTENSIONS = {"jpeg": "jpg", "jpeg2000": "jp2"}
# Object storage is not the model service: its refusals say nothing about the key or the account.
_STORAGE_RULES = (
    Rule(400, "EntityTooLarge", ErrorMeaning(ContentError, splittable=True)),
    Rule(400, "", BAD_REQUEST),
    Rule(401, "", BAD_REQUEST),
    Rule(403, "", BAD_REQUEST),
    Rule(404, "", BAD_REQUEST),
)


# Unsourced A55: oss:// URLs work for images and videos of every multimodal embedding model. Settled by one
# upload.
def stored(batch: Batch, spec: RequestSpec, storage: Storage) -> Flow[Batch]:
    """
    Return a batch with all its files and bytes in storage, as a flow that puts them there.

    Each content is stored once, also when several batches of a call need it at the same time, and is remembered
    for the next call.
    """
    items: list[Item] = []
    for position, item in zip(batch.positions, batch.items, strict=True):
        try:
            items.append((yield from _item(item, spec, storage)))
        except InputError as error:
            raise InputError(f"item {position}: {error}", index=position) from error
        except EmbeddingError as error:
            error.index = position if len(batch) == 1 else None
            raise
    return Batch(batch.positions, tuple(items))


def _item(item: Item, spec: RequestSpec, storage: Storage) -> Flow[Item]:
    if not isinstance(item, Fused):
        return (yield from _part(item, spec, storage))
    members: list[Part] = []
    for part in parts(item):
        members += [(yield from _part(part, spec, storage))]
    return Fused(*members)


def _part(part: Part, spec: RequestSpec, storage: Storage) -> Flow[Part]:
    if isinstance(part, str):
        return part
    if not isinstance(part, Frames):
        # Called for each type by itself: mypy does not solve a type variable for a union.
        if isinstance(part, Image):
            return (yield from _medium(part, spec, storage))
        return (yield from _medium(part, spec, storage))
    images: list[Image] = []
    for image in part.images:
        images += [(yield from _medium(image, spec, storage))]
    return Frames(images)


def _medium(medium: M, spec: RequestSpec, storage: Storage) -> Flow[M]:
    if not medium.inline:
        return medium
    # The digest of the bytes alone: a video's own digest also depends on its sampling. Never the local name.
    kind = medium.format or ""
    name = f"{medium.source.digest}.{_EXTENSIONS.get(kind, kind)}"
    pause = 0.05
    while not storage.claim(name):
        url = storage.find(name)
        if url is not None:
            return replace(medium, source=source_of_url(url, medium.kind))
        yield Wait(pause, why="another request is uploading the same file")
        pause = min(2 * pause, 1.0)
    try:
        url = yield from _put(medium, name, spec, storage)
        storage.keep_url(name, url)
    finally:
        storage.release(name)
    return replace(medium, source=source_of_url(url, medium.kind))


def _put(medium: Image | Video, name: str, spec: RequestSpec, storage: Storage) -> Flow[str]:
    policy = storage.policy()
    if policy is not None:
        try:
            return (yield from _send(medium, name, policy, spec, storage))
        except RequestError as error:
            # A policy can run out while it is being used; 403 "Policy expired" (error-code page).
            if error.status != 403:
                raise
    policy = yield from exchange(
        Step(lambda: _policy_request(spec), lambda reply: _policy(reply, spec)), storage.context
    )
    storage.keep_policy(policy)
    return (yield from _send(medium, name, policy, spec, storage))


def _send(medium: Image | Video, name: str, policy: Policy, spec: RequestSpec, storage: Storage) -> Flow[str]:
    key = f"{policy.folder}/{name}"
    step = Step(
        lambda: _upload_request(medium, name, policy),
        lambda reply: _read_upload(reply, medium, spec, f"oss://{key}"),
    )
    return (yield from exchange(step, storage.context))


def _policy_request(spec: RequestSpec) -> Request:
    query = urlencode({"action": "getPolicy", "model": spec.model})
    return Request("GET", f"{spec.base_url}/uploads?{query}", spec.headers)


def _policy(reply: Reply, spec: RequestSpec) -> Policy | EmbeddingError:
    subject = "the upload policy"
    body = dashscope.answer(reply, spec, subject)
    if isinstance(body, EmbeddingError):
        return body
    try:
        return Policy.of(body.get("data"))
    except Malformed as reason:
        request_id = dashscope.request_id_of(body, reply)
        return bad_reply(dashscope.NAME, str(reason), dashscope.NO_ITEMS, reply, request_id, subject)


def _upload_request(medium: Image | Video, name: str, policy: Policy) -> Request:
    """Write the form; the file is read now."""
    data = medium.read()
    if len(data) > policy.largest:
        raise InputError(
            f"{medium.label()} of {len(data):,} bytes; temporary storage accepts at most {policy.largest:,}"
        )
    mime = medium.mime or "application/octet-stream"
    # The order is that of the page; object storage ignores what comes after the file.
    fields = {**policy.fields, "key": f"{policy.folder}/{name}", "x-oss-content-type": mime}
    kind, body = multipart(fields, name=name, mime=mime, data=data, digest=medium.source.digest)
    return Request("POST", policy.host, {"Content-Type": kind, "Accept": "*/*"}, body, keyless=True)


def _read_upload(reply: Reply, medium: Image | Video, spec: RequestSpec, url: str) -> str | EmbeddingError:
    if reply.status in (200, 201, 204):
        return url
    code, message = _code_and_message(reply.body)
    # After a lost reply the file may be there already; its name is its digest, so the stored file is right.
    if reply.status == 409 and code == "FileAlreadyExists":
        return url
    return judge(
        _STORAGE_RULES,
        Refusal(
            provider=dashscope.NAME,
            reply=reply,
            code=code,
            message=message,
            request_id=reply.headers.get("x-oss-request-id") or reply.headers.get("x-request-id"),
            batch=dashscope.NO_ITEMS,
            spec=spec,
            subject=f"the upload of {medium.label()}",
        ),
    )


def _code_and_message(body: bytes) -> tuple[str | None, str]:
    """Return code and message of a refusal: XML from object storage, JSON from a gateway before it."""
    try:
        reported = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body[:4096].decode("utf-8", "replace")
        found = dict(re.findall(r"<(Code|Message)>([^<]*)</", text))
        return found.get("Code"), found.get("Message", "")
    reported = reported if isinstance(reported, dict) else {}
    code, message = reported.get("code"), reported.get("message")
    return (code if isinstance(code, str) else None), (message if isinstance(message, str) else "")

"""
Temporary media uploads of DashScope (`oss://`), and the files an async job writes.

Page: help.aliyun.com/zh/model-studio/get-temporary-file-url. An upload lives for 48 hours and cannot be read
back.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from volc_dashscope.emulator.exchange import Refusal, Request, Response, reply

LIFETIME = 48 * 3600.0
_POLICY_SECONDS = 300


class Uploads:
    """Bytes by key, with the time they were stored."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._files: dict[str, tuple[float, bytes]] = {}

    def get(self, url: str, now: float) -> bytes | None:
        """Return the bytes behind an `oss://` URL, or None when it is unknown or has expired."""
        with self._lock:
            stored, data = self._files.get(url.removeprefix("oss://"), (0.0, None))
        return data if data is not None and now - stored <= LIFETIME else None

    def put(self, key: str, data: bytes, now: float) -> str:
        """Store bytes and return their `oss://` URL."""
        with self._lock:
            self._files[key] = (now, data)
        return f"oss://{key}"

    def policy(self, request: Request) -> Response:
        """Answer `GET /api/v1/uploads?action=getPolicy`."""
        if request.query.get("action") != "getPolicy" or not request.query.get("model"):
            raise Refusal(400, "InvalidParameter", "action should be getPolicy and model is required.")
        expires = int(request.now) + _POLICY_SECONDS
        data = {
            "policy": f"emulated-policy-{expires}",
            "signature": "emulated-signature",
            "upload_dir": f"dashscope-instant/emulator/{request.id}",
            "upload_host": f"{request.origin}/upload",
            "expire_in_seconds": str(_POLICY_SECONDS),
            "max_file_size_mb": "100",
            "capacity_limit_mb": "999999999",
            "oss_access_key_id": "emulated-access-key-id",
            "x_oss_object_acl": "private",
            "x_oss_forbid_overwrite": "true",
        }
        return reply({"request_id": request.id, "data": data})

    def receive(self, request: Request) -> Response:
        """Answer the form POST to `upload_host`; the file is the last field, as object storage requires."""
        form = multipart(request)
        if "file" not in form or "key" not in form:
            raise Refusal(400, "InvalidArgument", "The body of your POST request is not well-formed.")
        expires = form.get("policy", b"").rpartition(b"-")[2]
        if not expires.isdigit() or int(expires) < request.now:
            raise Refusal(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        self.put(form["key"].decode(), form["file"], request.now)
        return Response(status=200, headers={"content-type": "text/plain"})


def multipart(request: Request) -> dict[str, Any]:
    """Return the fields of a form body; `filename` holds the name of its file."""
    marker = (
        request.headers.get("content-type", "").partition("boundary=")[2].split(";")[0].strip().strip('"')
    )
    fields: dict[str, Any] = {}
    if not marker:
        return fields
    for chunk in (b"\r\n" + request.body).split(b"\r\n--" + marker.encode())[1:]:
        head, _, value = chunk.partition(b"\r\n\r\n")
        text = head.decode("utf-8", "replace")
        name = _quoted(text, " name=")
        if name:
            fields[name] = value
        if _quoted(text, "filename="):
            fields["filename"] = _quoted(text, "filename=")
    return fields


def _quoted(text: str, label: str) -> str:
    _, found, rest = text.partition(label)
    return rest.lstrip('"').split('"')[0] if found else ""

"""A client's state of DashScope's temporary storage: upload policies, and URLs of stored files. Pure."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any

from volc_dashscope._config import is_encrypted_or_local
from volc_dashscope._limits.rate_limiter import RateLimiter
from volc_dashscope._request.exchange import RetryContext
from volc_dashscope.models import MIB
from volc_dashscope.providers.parsing import Malformed

# Page get-temporary-file-url: "getPolicy 100 QPS per account and model".
_POLICIES_PER_MINUTE = 6_000
_POLICY_MARGIN_SECONDS = 60.0
# Files live 48 hours; a URL handed out now must still work when the service fetches it.
_URL_SECONDS = 24 * 3600.0
_MAX_URLS = 10_000
_MAX_CLAIM_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """A permission to put files into one folder of the storage, for a limited time."""

    host: str
    folder: str
    fields: dict[str, str] = field(repr=False)
    largest: int
    seconds: float

    @classmethod
    def of(cls, data: Any) -> Policy:
        """Return the policy that `data` of a reply holds, or raise `Malformed`."""
        reported: Mapping[str, Any] = data if isinstance(data, dict) else {}
        host = _word(reported, "upload_host")
        if not is_encrypted_or_local(host):
            raise Malformed("upload_host is not https")
        folder = _word(reported, "upload_dir").strip("/")
        if not re.fullmatch(r"\w[\w./-]*", folder, re.ASCII):
            raise Malformed("upload_dir is not a folder")
        return cls(
            host=host,
            folder=folder,
            fields={
                "OSSAccessKeyId": _word(reported, "oss_access_key_id"),
                "Signature": _word(reported, "signature"),
                "policy": _word(reported, "policy"),
                "key": "",
                "x-oss-object-acl": _word(reported, "x_oss_object_acl"),
                "x-oss-forbid-overwrite": _word(reported, "x_oss_forbid_overwrite"),
                "success_action_status": "200",
            },
            largest=_number(reported, "max_file_size_mb") * MIB,
            seconds=_number(reported, "expire_in_seconds"),
        )


class Storage:
    """One client's state of the temporary storage: URLs by content, and a policy while it is valid."""

    def __init__(self, context: RetryContext) -> None:
        self.context = replace(context, rate_limiter=RateLimiter(_POLICIES_PER_MINUTE, None))
        # Reentrant: a flow that is garbage-collected releases its claim in whatever thread that happens.
        self._lock = RLock()
        self._urls: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._claims: dict[str, float] = {}
        self._policy: tuple[float, Policy] | None = None

    def find(self, name: str) -> str | None:
        """Return the URL of a file that was stored and has not expired."""
        with self._lock:
            at, url = self._urls.get(name, (float("-inf"), ""))
            return url if self.context.clock() - at < _URL_SECONDS else None

    def claim(self, name: str) -> bool:
        """Claim the upload of a file; False if it is stored or another flow uploads it."""
        with self._lock:
            now = self.context.clock()
            if (
                self.find(name) is not None
                or now - self._claims.get(name, float("-inf")) < _MAX_CLAIM_SECONDS
            ):
                return False
            self._claims[name] = now
            return True

    def release(self, name: str) -> None:
        """Release a claim."""
        with self._lock:
            self._claims.pop(name, None)

    def keep_url(self, name: str, url: str) -> None:
        """Remember the URL of a file."""
        with self._lock:
            self._urls[name] = (self.context.clock(), url)
            self._urls.move_to_end(name)
            while len(self._urls) > _MAX_URLS:
                self._urls.popitem(last=False)

    def policy(self) -> Policy | None:
        """Return the policy if an upload that starts now should end before it expires."""
        with self._lock:
            until, policy = self._policy or (float("-inf"), None)
            return policy if self.context.clock() < until else None

    def keep_policy(self, policy: Policy) -> None:
        """Remember a policy until it expires."""
        with self._lock:
            self._policy = (self.context.clock() + policy.seconds - _POLICY_MARGIN_SECONDS, policy)


def _word(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    text = str(value).lower() if isinstance(value, bool) else value
    # These go into a form and a URL, so they must not hold line ends or quotes.
    if not isinstance(text, str) or not re.fullmatch(r"[!#-~]+", text):
        raise Malformed(f"{name} is missing or unusable")
    return text


def _number(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Malformed(f"{name} is not a number")
    return int(text)


def multipart(
    fields: Mapping[str, str], *, name: str, mime: str, data: bytes, digest: str
) -> tuple[str, bytes]:
    """
    Return the content type and the body: the fields in their order, then the file, as object storage requires.

    Args:
        fields: Printable ASCII without quotes.
        digest: sha256 of the data in hex; data cannot hold a boundary made of its own digest.
    """
    boundary = f"--------{digest[:48]}"
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {mime}\r\n\r\n"
    )
    body = b"".join((head.encode("ascii"), data, f"\r\n--{boundary}--\r\n".encode("ascii")))
    return f"multipart/form-data; boundary={boundary}", body

"""
Where we mean to write something else than the vendor's SDK does for the same wish. This list may only shrink.

Each entry says which intents it covers and, for each field, what the SDK writes and what we write. A test fails
when a field not listed here differs, and when one that is listed no longer does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from capture import ABSENT
from intent_types import Intent

from volc_dashscope.models import Provider

REQUESTS = "requests"
_DIGEST = "[0-9a-f]{64}"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """
    One intended difference.

    Attributes:
        covers: Whether an intent, said by an API of the SDK, shows it.
        fields: By field, a regular expression for what the SDK writes and one for what we write. The field
            "requests" is how many requests the wish takes.
    """

    name: str
    provider: Provider
    covers: Callable[[Intent, str], bool]
    fields: Mapping[str, tuple[str, str]]
    reason: str
    source: str


DIFFERENCES = (
    Difference(
        name="base64 is asked for",
        provider="ark",
        covers=lambda intent, api: (
            intent.door.startswith("ark.")
            and "encoding" not in intent.claim
            and intent.claim != "unknown name"
        ),
        fields={"body.encoding_format": ('"float"', '"base64"')},
        reason="a vector travels in a quarter of the bytes and keeps its float32 value; replies in numbers are "
        "read as well, and extra_body={'encoding_format': 'float'} asks for them",
        source="docs/82379/1523520: encoding_format is float, base64 or null",
    ),
    Difference(
        name="nothing optional is asked of an unknown name",
        provider="ark",
        covers=lambda intent, api: intent.claim == "unknown name",
        fields={"body.encoding_format": ('"float"', ABSENT)},
        reason="a model that is not in the table may refuse a field; without it the reply is in numbers as well",
        source="docs/82379/1523520: float is the default",
    ),
    Difference(
        name="a fixed length is not asked for",
        provider="dashscope",
        covers=lambda intent, api: (
            intent.door.startswith("dashscope.")
            and intent.model_info.reduces is None
            and intent.claim.startswith("dimensions")
        ),
        fields={"body.parameters.dimension": (r"\d+", ABSENT)},
        reason="the model has one length and the service ignores the field; a length it does not have is refused "
        "before anything is sent",
        source="reference/dashscope-api.md, section 6.2: dimension given to v1/v2 is silently ignored",
    ),
    Difference(
        name="a fixed length is not asked for on the compatible route",
        provider="dashscope",
        covers=lambda intent, api: (
            intent.door == "openai" and intent.model_info.reduces is None and "dimensions" in intent.claim
        ),
        fields={"body.dimensions": (r"\d+", ABSENT)},
        reason="as on the native route",
        source="as on the native route",
    ),
    Difference(
        name="a local file travels inside the request",
        provider="dashscope",
        covers=lambda intent, api: intent.claim == "image file",
        fields={
            REQUESTS: ("3", "1"),
            "body.input.contents[0].image": ('"oss://.+"', '"data:image/png;base64,.+"'),
            "header.x-dashscope-ossresourceresolve": ("enable", ABSENT),
        },
        reason="the SDK leaves a copy for 48 hours in a store the page calls unfit for production; a data URI "
        "takes one request and leaves nothing behind",
        source="help.aliyun.com/zh/model-studio/get-temporary-file-url; multimodal-embedding-api-reference",
    ),
    Difference(
        name="an uploaded file is named by its content and has its type",
        provider="dashscope",
        covers=lambda intent, api: intent.claim == "image file uploaded",
        fields={
            "form[3].value": (r"b'\(issued\)/red.png'", rf"b'\(issued\)/{_DIGEST}.png'"),
            "form[8].filename": ("red.png", rf"{_DIGEST}.png"),
            "form[8].type": (ABSENT, "image/png"),
            "body.input.contents[0].image": (
                r'"oss://\(issued\)/red.png"',
                rf'"oss://\(issued\)/{_DIGEST}.png"',
            ),
        },
        reason="a local name tells about its owner and may not be ASCII; the content names the file as well, and "
        "equal files are stored once; its type is what x-oss-content-type, on both sides, says already",
        source="get-temporary-file-url: the key is upload_dir and any name",
    ),
    Difference(
        name="text that names a file is text",
        provider="dashscope",
        covers=lambda intent, api: (
            intent.door == "dashscope.media" and api == "classic" and intent.claim == "text that names a file"
        ),
        fields={
            REQUESTS: ("3", "1"),
            "body.input.contents[0].text": ('"oss://.+"', '".*red.png"'),
            "header.x-dashscope-ossresourceresolve": ("enable", ABSENT),
        },
        reason="the SDK's 1.x classes upload the file that a text happens to name; nothing here opens a file it "
        "was not given as one",
        source="dashscope 2.0.2, utils/oss_utils.py: check_and_upload",
    ),
    Difference(
        name="qwen3-vl fuses by the flag",
        provider="dashscope",
        covers=lambda intent, api: intent.claim == "fused as the guide has it",
        fields={
            "body.input.contents[0].image": ('"https://.+"', ABSENT),
            "body.input.contents[1]": (ABSENT, "object"),
            "body.input.contents[1].image": (ABSENT, '"https://.+"'),
            "body.parameters.enable_fusion": (ABSENT, "true"),
        },
        reason="the guide of 2025 writes one element of several keys, the newer API page separate elements with "
        "enable_fusion; we write the latter, which also takes two images",
        source="reference/dashscope-api.md, contradiction C1",
    ),
    Difference(
        name="a job's file in temporary storage is to be looked up",
        provider="dashscope",
        covers=lambda intent, api: intent.claim == "job from temporary storage",
        fields={"header.x-dashscope-ossresourceresolve": (ABSENT, "enable")},
        reason="the page asks for the header with every oss:// URL; the SDK sends it for media, not for jobs",
        source="help.aliyun.com/zh/model-studio/get-temporary-file-url",
    ),
    Difference(
        name="parameters is always there",
        provider="dashscope",
        covers=lambda intent, api: api == "v2" and intent.claim == "job without role",
        fields={"body.parameters": (ABSENT, "object")},
        reason="the error page has a code for a request without parameters; 1.x sends {} too, and so does v2 "
        "everywhere but here",
        source="error-code page: BadRequest.EmptyParameters",
    ),
)

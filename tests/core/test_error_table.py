"""What a refusal means: every row of both services' error tables, and what a message may say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import httpx
import pytest
from replies import AT, ark, ask_for, batch_of, dashscope, read

from volc_dashscope import (
    AuthError,
    BadReplyError,
    Client,
    ContentError,
    EmbeddingError,
    Frames,
    Fused,
    Image,
    Item,
    QuotaError,
    RateLimitError,
    RequestError,
    ServiceUnavailableError,
)
from volc_dashscope._types import Batch, Reply, RequestSpec, Rows, Secret
from volc_dashscope.providers.error_table import Refusal, judge

_KEY = Secret("sk-9876543210fedcba")
ARK = ask_for("doubao-embedding-vision-251215", key=_KEY, key_name="ARK_API_KEY")
TEXT = ask_for("text-embedding-v4", key=_KEY, key_name="DASHSCOPE_API_KEY")
OPENAI = replace(TEXT, route="openai")
COMPATIBLE = OPENAI


class Meaning(NamedTuple):
    """What a refusal is to mean."""

    error: type[EmbeddingError]
    retryable: bool = False
    account: bool = False
    splittable: bool = False


SLOW = Meaning(RateLimitError, retryable=True)
QUOTA = Meaning(QuotaError, account=True)
AUTH = Meaning(AuthError, account=True)
MODEL = Meaning(RequestError, account=True)
REQUEST = Meaning(RequestError)
CONTENT = Meaning(ContentError, splittable=True)
DOWN = Meaning(ServiceUnavailableError, retryable=True)


def _error(outcome: Rows | EmbeddingError) -> EmbeddingError:
    assert isinstance(outcome, EmbeddingError), outcome
    return outcome


def _meaning(outcome: Rows | EmbeddingError) -> Meaning:
    error = _error(outcome)
    return Meaning(type(error), error.retryable, error.account, error.splittable)


def _refused_by_ark(
    status: int, code: str | None, message: str = "No.", **more: Any
) -> Rows | EmbeddingError:
    body = {"error": {"code": code, "message": message, "param": "", "type": "BadRequest"}}
    return read(body, more.pop("spec", ARK), more.pop("batch", batch_of("a")), status=status, **more)


def _refused(status: int, code: str | None, message: str = "No.", **more: Any) -> Rows | EmbeddingError:
    body = {"code": code, "message": message, "request_id": "r-1"}
    return read(body, more.pop("spec", TEXT), more.pop("batch", batch_of("a")), status=status, **more)


def _refused_compatibly(status: int, code: str, message: str = "No.", **more: Any) -> Rows | EmbeddingError:
    body = {"error": {"message": message, "type": code, "param": None, "code": code}, "request_id": "r-1"}
    return read(body, OPENAI, more.pop("batch", batch_of("a")), status=status, **more)


# Reference ark-api.md, section 10.
ARK_TABLE: list[tuple[int, str, Meaning]] = [
    (400, "MissingParameter", REQUEST),
    (400, "MissingParameter.input", REQUEST),
    (400, "InvalidParameter", REQUEST),
    (400, "InvalidParameter.dimensions", REQUEST),
    (400, "InvalidParameter.UnsupportedParameter", REQUEST),
    (400, "InvalidParameter.TosURLInvalid", CONTENT),
    (400, "InputTextRiskDetection", CONTENT),
    (400, "InputImageRiskDetection", CONTENT),
    (400, "ContentSecurityDetectionError", DOWN),
    (400, "InvalidEndpoint.ClosedEndpoint", DOWN),
    (400, "SensitiveContentDetected", CONTENT),
    (400, "SensitiveContentDetected.SevereViolation", CONTENT),
    (400, "SensitiveContentDetected.Violence", CONTENT),
    (400, "InputTextSensitiveContentDetected", CONTENT),
    (400, "InputImageSensitiveContentDetected", CONTENT),
    (400, "InputVideoSensitiveContentDetected", CONTENT),
    (400, "InvalidImageURL.EmptyURL", CONTENT),
    (400, "InvalidImageURL.InvalidFormat", CONTENT),
    (400, "OutofContextError", CONTENT),
    (400, "InvalidSubscription", QUOTA),
    (401, "AuthenticationError", AUTH),
    (401, "InvalidAccountStatus", QUOTA),
    (403, "AccountOverdueError", QUOTA),
    (403, "AccessDenied", AUTH),
    (403, "OperationDenied.ServiceNotOpen", AUTH),
    (403, "OperationDenied.ServiceOverdue", QUOTA),
    (403, "OperationDenied.PermissionDenied", AUTH),
    (404, "InvalidEndpointOrModel.NotFound", MODEL),
    (404, "InvalidEndpointOrModel.ModelIDAccessDisabled", MODEL),
    (404, "ModelNotOpen", MODEL),
    (404, "NotFound.Model", MODEL),
    (404, "UnsupportedModel", MODEL),
    (429, "ModelAccountRpmRateLimitExceeded", SLOW),
    (429, "ModelAccountTpmRateLimitExceeded", SLOW),
    (429, "ModelAccountIpmRateLimitExceeded", SLOW),
    (429, "APIAccountRpmRateLimitExceeded", SLOW),
    (429, "RateLimitExceeded.EndpointRPMExceeded", SLOW),
    (429, "RateLimitExceeded.EndpointTPMExceeded", SLOW),
    (429, "AccountRateLimitExceeded", SLOW),
    (429, "ServerOverloaded", SLOW),
    (429, "InflightBatchsizeExceeded", SLOW),
    (429, "QuotaExceeded", QUOTA),
    (429, "SetLimitExceeded", QUOTA),
    (500, "InternalServiceError", DOWN),
]
FREE = "Free allocated quota exceeded."
# Reference dashscope-api.md, section 6.3, native spelling, with the messages of 6.2 where they decide.
NATIVE_TABLE: list[tuple[int, str, str, Meaning]] = [
    (400, "InvalidParameter", "No.", REQUEST),
    (400, "BadRequest.EmptyInput", "No.", REQUEST),
    (400, "BadRequest.EmptyParameters", "No.", REQUEST),
    (400, "BadRequest.EmptyModel", "No.", REQUEST),
    (400, "BadRequest.IllegalInput", "No.", REQUEST),
    (400, "BadRequest.InputDownloadFailed", "No.", CONTENT),
    (400, "BadRequest.TooLarge", "No.", REQUEST),
    (400, "InvalidURL", "No.", CONTENT),
    (400, "InvalidURL.ConnectionRefused", "No.", CONTENT),
    (400, "InvalidURL.Timeout", "No.", DOWN),
    (400, "InvalidParameter.DataInspection", "No.", DOWN),
    (400, "DataInspectionFailed", "Input or output data may contain inappropriate content.", CONTENT),
    (400, "Arrearage", "Access denied, please make sure your account is in good standing.", QUOTA),
    (401, "InvalidApiKey", "Invalid API-key provided.", AUTH),
    (401, "NOT AUTHORIZED", "No.", AUTH),
    (403, "AccessDenied", "No.", AUTH),
    (403, "AccessDenied.Unpurchased", "No.", AUTH),
    (403, "Model.AccessDenied", "No.", AUTH),
    (403, "Workspace.AccessDenied", "No.", AUTH),
    (403, "AllocationQuota.FreeTierOnly", "No.", QUOTA),
    (404, "ModelNotFound", "No.", MODEL),
    (404, "WorkSpaceNotFound", "No.", MODEL),
    (404, "NotFound", "No.", MODEL),
    (429, "Throttling", "Requests throttling triggered.", SLOW),
    (429, "Throttling.RateQuota", "Requests rate limit exceeded, try again later.", SLOW),
    (429, "LimitRequests", "Requests rate limit exceeded, try again later.", SLOW),
    (429, "Throttling.BurstRate", "Request rate increased too quickly.", SLOW),
    (429, "Throttling.AllocationQuota", "Allocated quota exceeded, please increase your quota limit.", SLOW),
    (429, "Throttling.AllocationQuota", FREE, QUOTA),
    (429, "CommodityNotPurchased", "No.", QUOTA),
    (429, "PrepaidBillOverdue", "No.", QUOTA),
    (429, "PostpaidBillOverdue", "No.", QUOTA),
    (500, "InternalError", "No.", DOWN),
    (500, "InternalError.Algo", "Embedding_pipeline_Error: timeout", DOWN),
    (500, "InternalError.Timeout", "No.", DOWN),
    (500, "SystemError", "No.", DOWN),
    (500, "ModelServiceFailed", "No.", DOWN),
    (500, "RequestTimeOut", "No.", DOWN),
    (500, "ModelServingError", "No.", DOWN),
    (503, "ModelServingError", "No.", DOWN),
    (503, "ModelUnavailable", "No.", DOWN),
    (
        400,
        "InvalidParameter",
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 8192]",
        CONTENT,
    ),
    (400, "InvalidParameter", "Failed to download multimodal content", CONTENT),
    (400, "InvalidParameter", "Missing Content-Length of multimodal url", CONTENT),
    (400, "InvalidParameter", "Exceeded limit on max bytes per data-uri item : 10485760'", CONTENT),
    (400, "InvalidParameter", "url error, please check url！", REQUEST),
    (
        400,
        "InvalidParameter",
        "batch size is invalid, it should not be larger than 10.: input.contents",
        REQUEST,
    ),
]
COMPATIBLE_TABLE: list[tuple[int, str, str, Meaning]] = [
    (400, "data_inspection_failed", "Input data may contain inappropriate content.", CONTENT),
    (400, "InvalidParameter", "Range of input length should be [1, 8192]", CONTENT),
    (400, "invalid_parameter_error", "No.", REQUEST),
    (401, "invalid_api_key", "Incorrect API key provided. ", AUTH),
    (404, "model_not_found", "No.", MODEL),
    (404, "model_not_supported", "No.", MODEL),
    (429, "limit_requests", "Requests rate limit exceeded, try again later.", SLOW),
    (429, "limit_burst_rate", "No.", SLOW),
    (429, "insufficient_quota", "You exceeded your current quota", SLOW),
    (429, "insufficient_quota", FREE, QUOTA),
    (500, "internal_error", "No.", DOWN),
]


@pytest.mark.parametrize(
    ("status", "code", "meaning"), ARK_TABLE, ids=[f"{status} {code}" for status, code, _ in ARK_TABLE]
)
def test_arks_error_table(status: int, code: str, meaning: Meaning) -> None:
    assert meaning == _meaning(_refused_by_ark(status, code))


@pytest.mark.parametrize(("status", "code", "message", "meaning"), NATIVE_TABLE)
def test_dashscopes_error_table(status: int, code: str, message: str, meaning: Meaning) -> None:
    assert meaning == _meaning(_refused(status, code, message))


@pytest.mark.parametrize(("status", "code", "message", "meaning"), COMPATIBLE_TABLE)
def test_dashscopes_error_table_in_compatible_mode(
    status: int, code: str, message: str, meaning: Meaning
) -> None:
    assert meaning == _meaning(_refused_compatibly(status, code, message))


BY_STATUS = [
    (302, REQUEST),
    (400, REQUEST),
    (401, AUTH),
    (403, AUTH),
    (404, MODEL),
    (405, REQUEST),
    (408, DOWN),
    (409, DOWN),
    (413, REQUEST),
    (422, REQUEST),
    (429, SLOW),
    (500, DOWN),
    (502, DOWN),
    (503, DOWN),
    (504, DOWN),
    (529, DOWN),
]
BODIES = {
    "empty": b"",
    "HTML": b"<html>Bad Gateway</html>",
    "list": b"[]",
    "null": b"null",
    "unknown code": b'{"code": "Brand.New", "message": "x", "error": {"code": "Brand.New"}}',
    "odd types": b'{"code": 7, "message": ["x"], "error": {"code": {}, "message": 9}}',
}


@pytest.mark.parametrize(("status", "meaning"), BY_STATUS, ids=[str(status) for status, _ in BY_STATUS])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("spec", [ARK, TEXT, OPENAI], ids=["ark", "native", "compatible"])
def test_what_no_table_has_is_judged_by_its_status(
    spec: RequestSpec, body: bytes, status: int, meaning: Meaning
) -> None:
    outcome = _error(read(body, spec, batch_of("a"), status=status))

    assert (meaning, status) == (_meaning(outcome), outcome.status)


@pytest.mark.parametrize(
    ("body", "spec", "meaning"),
    [
        pytest.param({"code": "Throttling.RateQuota", "message": "x"}, TEXT, SLOW, id="throttle"),
        pytest.param({"code": "InvalidApiKey", "message": "x"}, TEXT, AUTH, id="key"),
        pytest.param({"code": "Arrearage", "message": "x"}, TEXT, QUOTA, id="money"),
        pytest.param({"code": "InternalError.Algo", "message": "x"}, TEXT, DOWN, id="fault"),
        pytest.param({"code": "DataInspectionFailed", "message": "x"}, TEXT, CONTENT, id="content"),
        pytest.param({"code": "Brand.New", "message": "x"}, TEXT, REQUEST, id="unknown"),
        pytest.param({"error": {"code": "InternalServiceError"}}, ARK, DOWN, id="ark fault"),
        pytest.param({"error": {"code": "AuthenticationError"}}, ARK, AUTH, id="ark key"),
        pytest.param(
            {"error": {"code": "SensitiveContentDetected.Violence"}}, ARK, CONTENT, id="ark content"
        ),
        pytest.param({"error": {"code": "Brand.New"}}, ARK, REQUEST, id="ark unknown"),
    ],
)
def test_an_error_under_status_200_is_judged_by_its_code(
    body: Any, spec: RequestSpec, meaning: Meaning
) -> None:
    assert meaning == _meaning(read(body, spec, batch_of("a")))


@pytest.mark.parametrize("spec", [TEXT, ARK, COMPATIBLE], ids=["dashscope", "ark", "compatible"])
@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 205, 206])
@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b"null"], ids=["nothing", "blank", "an object", "null"])
def test_a_success_that_brings_nothing_is_asked_for_again(
    spec: RequestSpec, status: int, body: bytes
) -> None:
    outcome = _error(read(body, spec, batch_of("a"), status=status))

    assert (BadReplyError, True, status) == (type(outcome), outcome.retryable, outcome.status)


@pytest.mark.parametrize("status", [201, 203])
def test_vectors_under_another_status_of_success_are_vectors(status: int) -> None:
    """They are paid for; a proxy that changes a reply says 203."""
    outcomes = [
        read(dashscope([0.5] * 1024), TEXT, batch_of("a"), status=status),
        read(ark([0.5] * 2048), ARK, batch_of("a"), status=status),
    ]

    assert [Rows, Rows] == [type(outcome) for outcome in outcomes]


@pytest.mark.parametrize("empty", ["", None], ids=["empty", "null"])
def test_a_reply_with_an_empty_code_is_a_good_reply(empty: str | None) -> None:
    reply = dashscope([0.5] * 1024, code=empty, message="")

    assert isinstance(read(reply, TEXT, batch_of("a")), Rows)


def test_a_reply_of_ark_with_a_null_error_is_a_good_reply() -> None:
    assert isinstance(read(ark([0.5] * 2048, error=None), ARK, batch_of("a")), Rows)


def test_the_facts_of_a_refusal_are_on_the_error() -> None:
    error = _error(_refused(429, "Throttling", headers={"retry-after": "3"}))

    assert ("dashscope", 429, "Throttling", "r-1", 0, 3.0) == (
        error.provider,
        error.status,
        error.code,
        error.request_id,
        error.index,
        error.retry_after,
    )


def test_a_date_as_a_hint_counts_from_when_the_reply_came() -> None:
    from email.utils import formatdate

    error = _error(_refused(429, "Throttling", headers={"retry-after": formatdate(AT + 9, usegmt=True)}))

    assert 9.0 == error.retry_after


def test_a_refused_batch_blames_no_single_item() -> None:
    error = _error(_refused(400, "DataInspectionFailed", batch=Batch((3, 4), ("a", "b"))))

    assert None is error.index
    assert "dashscope refused items 3 to 4 with 400 DataInspectionFailed: No. [request id r-1]" == str(error)


@pytest.mark.parametrize(
    ("outcome", "variable"),
    [
        pytest.param(_refused_by_ark(401, "AuthenticationError"), "ARK_API_KEY", id="ark"),
        pytest.param(_refused(401, "InvalidApiKey"), "DASHSCOPE_API_KEY", id="dashscope"),
        pytest.param(_refused_compatibly(401, "invalid_api_key"), "DASHSCOPE_API_KEY", id="compatible"),
        pytest.param(_refused(401, None), "DASHSCOPE_API_KEY", id="no code"),
    ],
)
def test_a_refused_key_names_the_variable_and_the_region(
    outcome: Rows | EmbeddingError, variable: str
) -> None:
    said = str(outcome)

    assert said.startswith(f"authentication failed (401): {variable} was rejected by ")
    assert "region cn-beijing" in said


def test_a_key_repeated_by_the_service_is_not_in_the_error() -> None:
    error = _refused(401, "InvalidApiKey", "Incorrect API key provided: sk-canary-0123456789.", spec=KEYED)

    assert "Incorrect API key provided: ***" in str(error)
    assert "canary" not in str(error)


KEYED = replace(TEXT, key=Secret("sk-canary-0123456789"))


@pytest.mark.parametrize("message", ["no permission for sk-canary-0123456789", "(key: sk-canary-0...789)"])
@pytest.mark.parametrize(("status", "code"), [(400, "InvalidParameter"), (403, "AccessDenied"), (500, "")])
def test_a_key_repeated_in_any_refusal_is_not_in_the_error(status: int, code: str, message: str) -> None:
    error = _refused(status, code, message, spec=KEYED)

    assert "canary" not in f"{error} {vars(error)}"


def test_a_key_for_a_code_is_no_code() -> None:
    error = _error(_refused(400, "sk-canary-0123456789", spec=KEYED))

    assert (None, True) == (error.code, "(no code)" in str(error))


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("InvalidParameter.X_y-1", "InvalidParameter.X_y-1"),
        ("NOT AUTHORIZED", "NOT AUTHORIZED"),
        ("the whole text that was sent", None),
        ("第一条", None),
        ("x" * 10_000, "x" * 120),
    ],
)
def test_a_code_is_short_and_has_the_form_of_one(code: str, seen: str | None) -> None:
    error = _error(_refused(400, code))

    assert seen == error.code
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("configured", "seen"), [("x" * 10_000, "x" * 120), ("a b", None), ("a\x1b[31m", "a[31m")]
)
@pytest.mark.parametrize("status", [200, 400])
def test_a_request_id_is_one_short_word(status: int, configured: str, seen: str | None) -> None:
    for body, spec in (
        ({"request_id": configured}, TEXT),
        ({"error": {"code": "X"}, "id": configured}, OPENAI),
    ):
        error = _error(read(body, spec, batch_of("a"), status=status))

        assert seen == error.request_id
        assert len(str(error)) < 400


def test_no_money_says_that_waiting_does_not_help() -> None:
    assert "Retrying does not help" in str(_refused(400, "Arrearage"))


CANARY = "the canary sings in the mine at noon"
URL = "https://bucket.example/cat.png?Signature=canary0123456789"


@pytest.mark.parametrize(
    ("items", "message"),
    [
        pytest.param([CANARY], f"cannot embed: {CANARY}", id="whole"),
        pytest.param([CANARY], f"cannot embed: {CANARY[:20]}...", id="its beginning"),
        pytest.param([CANARY], f"cannot embed: ...{CANARY[-20:]}", id="its end"),
        pytest.param(["fine", CANARY], f"bad text {CANARY!r}", id="second of two"),
        pytest.param(["canary"], "bad text [canary] at 0", id="short"),
        pytest.param(["a\ncanary\nin a\nmine"], "bad text: a canary in a mine", id="lines"),
        pytest.param(["a\ncanary\nin a\nmine"], "bad text: a\ncanary\nin a\nmine", id="lines kept"),
        pytest.param(["a canary in a mine"], "bad text: a  canary  in  a  mine", id="spaces doubled"),
        pytest.param([Image.from_url(URL)], f"cannot fetch {URL}", id="url"),
        pytest.param([Fused("a cat", Image.from_url(URL))], f"cannot fetch {URL}", id="fused url"),
        pytest.param([Frames([Image.from_url(URL)])], f"cannot fetch {URL}", id="frames"),
        pytest.param(
            [Image.from_bytes(b"\x89PNG\r\n\x1a\n")], "bad image data:image/png;base64,canary", id="data URI"
        ),
    ],
)
@pytest.mark.parametrize("refused", [_refused, _refused_by_ark], ids=["dashscope", "ark"])
def test_content_repeated_by_the_service_is_not_in_the_error(
    refused: Any, items: list[Item], message: str
) -> None:
    error = _error(refused(400, "InvalidParameter", message, batch=batch_of(*items)))

    assert "canary" not in f"{error} {error!r}"
    assert "400 InvalidParameter" in str(error)


def test_the_services_own_words_are_kept_where_they_repeat_nothing() -> None:
    error = _refused(400, "InvalidParameter", "dimension for embedding v3 is invalid", batch=batch_of(CANARY))

    assert "400 InvalidParameter: dimension for embedding v3 is invalid [request id r-1]" in str(error)


def test_a_long_or_hostile_message_becomes_one_short_line() -> None:
    error = str(_refused(400, "InvalidParameter", "\x1b[31mred\r\nX-Evil: 1\0 " + "x" * 10_000))

    assert error.isprintable()
    assert len(error) < 600


def test_a_message_is_cut_at_400_letters() -> None:
    error = str(_refused(400, "InvalidParameter", "z" * 401))

    assert "z" * 400 in error
    assert "z" * 401 not in error


def test_a_malformed_body_with_status_200_is_no_refusal() -> None:
    assert BadReplyError is type(read(b"<html>", TEXT, batch_of("a")))


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        pytest.param("text-embedding-v5", ". Did you mean 'text-embedding-v4'?", id="near a known one"),
        pytest.param("text-embedding-v4", "", id="a known one"),
    ],
)
def test_a_404_names_the_known_model_that_an_unknown_one_looks_like(model: str, meant: str) -> None:
    refusal = httpx.Response(
        404, json={"code": "ModelNotFound", "message": "Model not exist.", "request_id": "r"}
    )
    transport = httpx.MockTransport(lambda request: refusal)
    with (
        httpx.Client(transport=transport) as http_client,
        Client(model, provider="dashscope", api_key="k", http_client=http_client) as client,
        pytest.raises(RequestError) as caught,
    ):
        client.embed(["a"])

    assert ("Did you mean" in str(caught.value)) is bool(meant)
    assert meant in str(caught.value)


# Which limit a throttle names, and what a status decides.

LIMITS = [
    ("ModelAccountRpmRateLimitExceeded", "requests"),
    ("APIAccountRpmRateLimitExceeded", "requests"),
    ("RateLimitExceeded.EndpointRPMExceeded", "requests"),
    ("ModelAccountTpmRateLimitExceeded", "tokens"),
    ("RateLimitExceeded.EndpointTPMExceeded", "tokens"),
    ("ServerOverloaded", "concurrency"),
    ("InflightBatchsizeExceeded", "concurrency"),
    ("AccountRateLimitExceeded", None),
]


@pytest.mark.parametrize(("code", "limit"), LIMITS, ids=[code for code, _ in LIMITS])
def test_a_throttle_of_ark_names_its_limit(code: str, limit: str | None) -> None:
    assert limit == _error(_refused_by_ark(429, code)).limit


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        pytest.param(500, "Arrearage", DOWN, id="a code of another status"),
        pytest.param(400, "ArrearageX", REQUEST, id="a longer code"),
        pytest.param(400, "Arrearage.X", QUOTA, id="a child of a code"),
        pytest.param(299, "Arrearage", QUOTA, id="the last success"),
        pytest.param(300, "Arrearage", REQUEST, id="the first redirect"),
        pytest.param(499, "Brand.New", REQUEST, id="the last fault of the caller"),
    ],
)
def test_a_rule_needs_its_status_and_its_code(status: int, code: str, meaning: Meaning) -> None:
    assert meaning == _meaning(_refused(status, code))


@pytest.mark.parametrize(("status", "meaning"), [(300, REQUEST), (299, DOWN), (200, DOWN)])
def test_a_code_alone_decides_under_a_status_of_success(status: int, meaning: Meaning) -> None:
    assert meaning == _meaning(_refused_by_ark(status, "InternalServiceError"))


@pytest.mark.parametrize(("status", "meaning"), BY_STATUS, ids=[str(status) for status, _ in BY_STATUS])
def test_a_service_without_a_table_is_judged_by_status_alone(status: int, meaning: Meaning) -> None:
    error = judge((), _of_no_table(status))

    assert meaning == _meaning(error)
    assert ("gw.corp refused a job with" in str(error)) is (status != 401)


def test_a_request_id_as_a_service_wrote_it_is_made_one_word() -> None:
    error = judge((), _of_no_table(400, request_id="a\x1b[31m"))

    assert "a[31m" == error.request_id
    assert str(error).endswith("[request id a[31m]")


def _of_no_table(status: int, request_id: str | None = None) -> Refusal:
    return Refusal(
        provider="gw.corp",
        reply=Reply(status, {}, b""),
        code=None,
        message="No.",
        request_id=request_id,
        batch=batch_of("a"),
        spec=TEXT,
        subject="a job",
    )


@pytest.mark.parametrize("body", [{"error": {}}, {"error": {"code": ""}}], ids=["empty", "an empty code"])
def test_an_error_without_words_under_status_200_is_asked_about_again(body: Any) -> None:
    outcome = _error(read(body, ARK, batch_of("a")))

    assert (BadReplyError, True) == (type(outcome), outcome.retryable)


def test_a_message_without_a_code_under_status_200_is_a_refusal() -> None:
    outcome = read({"error": {"message": "no such model"}}, ARK, batch_of("a"))

    assert REQUEST == _meaning(outcome)
    assert "ark refused item 0 with 200 (no code): no such model" == str(outcome)


# Messages, word for word.

HOSTED = replace(TEXT, host="dashscope.example.com")
PATH = "/services/embeddings/text-embedding/text-embedding"
ASKED = f" Requested: dashscope.example.com{PATH}"
CORRECT = "; redirects are not followed; correct base_url [request id r-1]"


@pytest.mark.parametrize(
    ("status", "code", "message", "words"),
    [
        (400, "Odd", "No.", "with 400 Odd: No. [request id r-1]"),
        (400, "Odd", "", "with 400 Odd [request id r-1]"),
        (400, None, "", "with 400 (no code) [request id r-1]"),
        (
            400,
            "Arrearage",
            "No.",
            "with 400 Arrearage: No. Retrying does not help; check the account's balance and limits "
            "[request id r-1]",
        ),
        (404, "Odd", "No.", f"with 404 Odd: No.{ASKED}; check the model and base_url [request id r-1]"),
        (404, "Odd", "不", f"with 404 Odd: 不.{ASKED}; check the model and base_url [request id r-1]"),
        (404, "Odd", "不。", f"with 404 Odd: 不.{ASKED}; check the model and base_url [request id r-1]"),
        (299, "Odd", "No.", "with 299 Odd: No. [request id r-1]"),
        (300, "Odd", "No.", f"with 300 Odd: No.{ASKED}{CORRECT}"),
        (399, "Odd", "No.", f"with 399 Odd: No.{ASKED}{CORRECT}"),
    ],
    ids=["all", "no message", "nothing", "money", "404", "no stop", "Chinese stop", "299", "300", "399"],
)
def test_a_refusal_says_what_was_refused_why_and_where(
    status: int, code: str | None, message: str, words: str
) -> None:
    error = _refused(status, code, message, spec=HOSTED)

    assert f"dashscope refused item 0 {words}" == str(error)


def test_a_refusal_without_a_request_id_names_none() -> None:
    outcome = read({"code": "Odd", "message": "No."}, TEXT, batch_of("a"), status=400)

    assert "dashscope refused item 0 with 400 Odd: No." == str(outcome)


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("https://login.corp/sso?key=1", ", which redirects to login.corp/sso"),
        ("https://user@corp:pass@login.corp/sso", ", which redirects to login.corp/sso"),
        ("https://login.corp/" + "x" * 500, ", which redirects to login.corp/" + "x" * 109),
        ("https://[login.corp/sso", ""),
        ("", ""),
        (None, ""),
    ],
    ids=["a host", "a password", "a long path", "no URL", "empty", "none"],
)
def test_a_redirect_says_where_it_leads(location: str | None, leads: str) -> None:
    headers = {} if location is None else {"location": location}

    error = _refused(302, "Odd", spec=HOSTED, headers=headers)

    assert f"dashscope refused item 0 with 302 Odd: No.{ASKED}{leads}{CORRECT}" == str(error)


def test_the_url_that_was_asked_has_the_path_of_the_base_url() -> None:
    error = _refused(404, "Odd", spec=replace(TEXT, base_url="https://proxy.example/a/b"))

    assert f"Requested: proxy.example/a/b{PATH};" in str(error)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "DASHSCOPE_API_KEY was rejected by region cn-beijing (Odd): No. A key is valid in one region only; this "
            "one was used with region cn-beijing",
        ),
        (
            {"host": "api.example.com"},
            "DASHSCOPE_API_KEY was rejected by api.example.com (Odd): No. A key is valid in one region only; this "
            "one was used with region cn-beijing",
        ),
        (
            {"key_name": ""},
            "api_key was rejected by region cn-beijing (Odd): No. A key is valid in one region only; this one was used "
            "with region cn-beijing",
        ),
        (
            {"host": "gw.corp", "foreign": True, "key": None},
            "no API key was sent to gw.corp, which requires one (Odd): No. DASHSCOPE_API_KEY is sent to hosts of "
            "the vendor only; pass api_key",
        ),
    ],
    ids=["its variable", "its host", "as an argument", "none"],
)
def test_a_refused_key_says_which_key_where_and_why(changes: dict[str, Any], words: str) -> None:
    error = _refused(401, "Odd", "No. ", spec=replace(TEXT, **changes))

    assert f"authentication failed (401): {words} [request id r-1]" == str(error)


def test_a_refused_key_without_words_of_the_service_says_what_is_known() -> None:
    outcome = read({}, TEXT, batch_of("a"), status=401)

    assert (
        "authentication failed (401): DASHSCOPE_API_KEY was rejected by region cn-beijing. A key is valid in one "
        "region only; this one was used with region cn-beijing" == str(outcome)
    )


@pytest.mark.parametrize(
    ("key", "message", "seen"),
    [
        ("sk-canary-0123456789", "bad sk-canary-0123456789", "bad ***"),
        ("sk-canary-0123456789", "bad xcanary-0x", "bad ***"),
        ("sk-canary-0123456789", "bad canary-", "bad canary-"),
        ("sk-canary-0123456789", "bad sk-c****", "bad ***"),
        ("sk-canary-0123456789", "bad ****6789", "bad ***"),
        ("sk-canary-0123456789", "bad ****0123", "bad ****0123"),
        ("sk-canary-0123456789", "bad sk-c and 6789", "bad sk-c and 6789"),
        ("abcd", "bad abcd", "bad ***"),
        ("abc", "bad abc", "bad abc"),
        (None, "bad XXXX", "bad XXXX"),
    ],
    ids=[
        "all",
        "eight letters",
        "seven",
        "its first four and stars",
        "its last four and stars",
        "others and stars",
        "its ends without stars",
        "four letters in all",
        "three in all",
        "no key",
    ],
)
def test_what_a_refusal_shows_of_the_key_is_struck_out(key: str | None, message: str, seen: str) -> None:
    spec = replace(TEXT, key=Secret(key) if key else None)

    assert f"(Odd): {seen}." in str(_refused(401, "Odd", message, spec=spec))


@pytest.mark.parametrize(
    ("key", "said"),
    [("canary-x", False), ("canary", True)],
    ids=["eight letters", "a word"],
)
def test_a_key_of_eight_letters_or_more_is_never_repeated(key: str, said: bool) -> None:
    error = _refused(400, "Odd", "the canary-x sings", spec=replace(TEXT, key=Secret(key)))

    assert ("canary" in str(error)) is said


@pytest.mark.parametrize(
    ("sent", "message", "said"),
    [
        (CANARY, "it begins: " + CANARY[:16], False),
        (CANARY, "it begins: " + CANARY[:15], True),
        (CANARY, CANARY[:16] + "...", False),
        (CANARY, "(" + CANARY[2:17] + ")", True),
        ("mine", "not mine, no", False),
        ("min", "not min, no", True),
        ("the mine at noon", "not the mine at noon", False),
    ],
    ids=["16 letters at the end", "15", "16 at the start", "15 within", "4 in all", "3 in all", "16 in all"],
)
def test_sixteen_letters_on_end_are_a_repetition(sent: str, message: str, said: bool) -> None:
    error = _refused(400, "Odd", message, batch=batch_of(sent))

    assert (message in str(error)) is said


@pytest.mark.parametrize(
    ("name", "changes", "meant"),
    [
        ("text-embedding-v5", {}, ". Did you mean 'text-embedding-v4'?"),
        ("text-embedding-v5", {"foreign": True}, ""),
        ("qwertz", {}, ""),
        ("doubao-embedding-vision-251216", {}, ""),
    ],
    ids=["near a known one", "of another server", "near none", "near one of the other vendor"],
)
def test_an_unknown_model_is_compared_with_similar_names(
    name: str, changes: dict[str, Any], meant: str
) -> None:
    row = replace(TEXT.model_info.renamed(name), known=False)
    spec = replace(HOSTED, model_info=row, model=name, **changes)

    error = _refused(404, "ModelNotFound", "No.", spec=spec)

    assert (
        f"dashscope refused item 0 with 404 ModelNotFound: No.{ASKED}; check the model and base_url{meant} "
        "[request id r-1]" == str(error)
    )

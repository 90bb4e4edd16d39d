"""Our request for what a page's sample asks is the page's request; every difference is meant and has a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from canary import KEY
from page_samples import ABSENT, NAMES, Difference, compare, sample

from volc_dashscope.inputs import Frames, Fused, Image, Item, Video

SKY = Fused(
    "天很蓝，海很深", Image.from_url("https://ark-project.tos-cn-beijing.volces.com/images/view.jpeg")
)
POEM = ("风急天高猿啸哀", "渚清沙白鸟飞回", "无边落木萧萧下", "不尽长江滚滚来")
REVIEW = "衣服的质量杠杠的,很漂亮,不枉我等了这么久啊,喜欢,以后还来这里买"
CLIP = "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250107/lbcemt/new+video.mp4"
PIXELS = "https://dashscope.oss-cn-beijing.aliyuncs.com/images/256_1.png"
CDN = "https://img.alicdn.com/imgextra"

SMALLER = "base64 is a documented value of the field and a third of the size; numbers are read as well"
DEFAULT = "the documented default, said explicitly"
NULLS = "the vendor's SDK writes unset fields as null; null and absent mean the same"
ALWAYS_PARAMETERS = (
    "the error table knows a refusal of requests without `parameters`, so they are always sent"
)
ONE_SHAPE = "a list of one string and one string mean the same; replies are lists either way"
FLAG = "contradiction C1: the newer page fuses separate elements by enable_fusion"


def base64_instead_of(page: str) -> Difference:
    return Difference("encoding_format", page, "base64", SMALLER)


@dataclass(frozen=True)
class Case:
    fixture: str
    items: tuple[Item, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()


DOCUMENT = Difference("parameters.text_type", ABSENT, "document", DEFAULT)
CASES = (
    Case(
        "ark/guide-video-image-text",
        (
            Fused(
                Video.from_url(
                    "https://ark-project.tos-cn-beijing.volces.com/doc_video/ark_vlm_video_input.mp4"
                ),
                Image.from_url("https://ark-project.tos-cn-beijing.volces.com/doc_image/tower.png"),
                "视频和图片里有什么",
            ),
        ),
        differences=(base64_instead_of("float"),),
    ),
    Case("ark/guide-image-text", (SKY,), differences=(base64_instead_of(ABSENT),)),
    Case("ark/api-image-text", (SKY,), differences=(base64_instead_of("float"),)),
    Case(
        "ark/guide-text-sdk",
        ("香蕉",),
        differences=(
            base64_instead_of("float"),
            *(
                Difference(name, None, ABSENT, NULLS)
                for name in ("dimensions", "instructions", "sparse_embedding")
            ),
        ),
    ),
    Case("dashscope/text-v3", (REVIEW,), {"dimensions": 1024}, differences=(DOCUMENT,)),
    Case("dashscope/text-v3-four", POEM, {"dimensions": 1024}, differences=(DOCUMENT,)),
    Case("dashscope/text-v4", ("衣服的质量杠杠的",), differences=(DOCUMENT,)),
    Case(
        "dashscope/text-v4-dimension", ("喜欢，以后还来这里买",), {"dimensions": 256}, differences=(DOCUMENT,)
    ),
    Case(
        "dashscope/text-v4-instruct",
        ("机器学习的相关论文",),
        {"instruct": "Given a research paper query, retrieve relevant research paper"},
        {"text_type": "query"},
    ),
    Case(
        "dashscope/text-everything",
        ("a", "b"),
        {"dimensions": 1024, "instruct": "…"},
        {"text_type": "query", "output_type": "dense&sparse"},
    ),
    Case(
        "dashscope/compatible-v3",
        (REVIEW,),
        {"route": "openai", "dimensions": 1024},
        differences=(
            Difference("input", REVIEW, ABSENT, ONE_SHAPE),
            Difference("input.0", ABSENT, REVIEW, ONE_SHAPE),
            Difference(
                "dimension", "1024", ABSENT, "misprint: the same page's Python and Java say dimensions"
            ),
            Difference("dimensions", ABSENT, 1024, "what the misprint means"),
        ),
    ),
    Case("dashscope/compatible-v3-four", POEM, {"route": "openai"}),
    Case(
        "dashscope/compatible-v4",
        ("衣服的质量杠杠的",),
        {"route": "openai"},
        differences=(
            Difference("input", "衣服的质量杠杠的", ABSENT, ONE_SHAPE),
            Difference("input.0", ABSENT, "衣服的质量杠杠的", ONE_SHAPE),
            Difference("encoding_format", ABSENT, "float", DEFAULT),
        ),
    ),
    Case(
        "dashscope/compatible-v4-dimensions",
        ("喜欢，以后还来这里买",),
        {"route": "openai", "dimensions": 256},
        differences=(Difference("encoding_format", ABSENT, "float", DEFAULT),),
    ),
    Case(
        "dashscope/media-four-kinds",
        (
            "多模態向量模型",
            Image.from_url(f"{CDN}/i3/O1CN01rdstgY1uiZWt8gqSL_!!6000000006071-0-tps-1970-356.jpg"),
            Video.from_url(CLIP),
            Frames(
                [
                    Image.from_url(f"{CDN}/i2/O1CN019eO00F1HDdlU4Syj5_!!6000000000724-2-tps-2476-1158.png"),
                    Image.from_url(f"{CDN}/i2/O1CN01dSYhpw1nSoamp31CD_!!6000000005089-2-tps-1765-1639.png"),
                ]
            ),
        ),
        differences=(Difference("parameters", ABSENT, {}, ALWAYS_PARAMETERS),),
    ),
    Case("dashscope/media-text-sdk", ("通用多模態表徵模型樣本",)),
    Case("dashscope/media-bad-key", ("通用多模態表徵模型樣本",)),
    Case("dashscope/media-image-v1", (Image.from_url(PIXELS),)),
    Case(
        "dashscope/media-fused-object",
        (Fused("这是一段测试文本，用于生成多模态融合向量", Image.from_url(PIXELS), Video.from_url(CLIP)),),
        differences=(
            Difference("input.contents.0.image", PIXELS, ABSENT, FLAG),
            Difference("input.contents.0.video", CLIP, ABSENT, FLAG),
            Difference("input.contents.1.image", ABSENT, PIXELS, FLAG),
            Difference("input.contents.2.video", ABSENT, CLIP, FLAG),
            Difference("parameters.enable_fusion", ABSENT, True, FLAG),
        ),
    ),
)
with_each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.fixture)


@with_each_case
def test_our_body_is_the_pages_but_for_the_differences_listed(edge, case):
    page = sample(case.fixture)["request"]

    edge.embed(page["body"]["model"], *case.items, call=case.call, **case.settings)

    listed = {difference.path: (difference.page, difference.ours) for difference in case.differences}
    assert listed == compare(page["body"], edge.body)


@with_each_case
def test_our_method_and_url_are_the_pages(edge, case):
    page = sample(case.fixture)["request"]

    edge.embed(page["body"]["model"], *case.items, call=case.call, **case.settings)

    (request,) = edge.requests
    assert (page["method"], page["url"]) == (request.method, str(request.url))


@with_each_case
def test_the_key_goes_where_the_page_puts_it(edge, case):
    page = sample(case.fixture)["request"]

    edge.embed(page["body"]["model"], *case.items, call=case.call, **case.settings)

    scheme, _ = page["authorization"].split(" ")
    assert (f"{scheme} {KEY}", "application/json") == (
        edge.headers["authorization"],
        edge.headers["content-type"],
    )


def test_every_request_a_page_prints_is_compared():
    printed = {name for name in NAMES if "request" in sample(name)}

    assert printed == {case.fixture for case in CASES}


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_names_its_page_and_date(name):
    page = sample(name)

    assert (True, True, True) == (bool(page["source"]), bool(page["section"]), page["as_of"][:2] == "20")


def test_a_body_is_utf8_with_nothing_escaped_but_what_json_must(edge):
    text = '第一行\n第二行 "quoted" \\ 🚀'

    edge.embed("text-embedding-v4", text)

    (request,) = edge.requests
    assert text == edge.body["input"]["texts"][0]
    assert r'"第一行\n第二行 \"quoted\" \\ 🚀"' in request.content.decode("utf-8")


def test_an_ark_instruction_has_real_newlines(edge):
    edge.embed("doubao-embedding-vision-251215", "海")

    (request,) = edge.requests
    assert (
        r'"instructions":"Instruction:Compress the text into one word.\nQuery:"' in request.content.decode()
    )
    assert 1 == edge.body["instructions"].count("\n")

"""What users ask of DashScope, for one model row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from intent_types import (
    CLIP,
    DATA,
    LINES,
    LINK,
    LINK_2,
    OTHER,
    PICTURE,
    STORED,
    STORED_LINES,
    TASK,
    TEXT,
    Intent,
    chunks,
    words,
)

from volc_dashscope.inputs import Frames, Fused, Image, Item, Video
from volc_dashscope.models import ModelInfo


def dashscope_texts(row: ModelInfo) -> Iterator[Intent]:
    """Yield the intents of a text model on the native route."""

    def some(claim: str, texts: Sequence[str], **more: Any) -> Intent:
        said = more.pop("said", {"text_type": "document"})
        calls = [{"model": row.name, "input": list(chunk), **said} for chunk in chunks(texts, row.batch)]
        return Intent(
            model_info=row,
            claim=claim,
            door="dashscope.text",
            theirs=tuple(calls),
            items=tuple(texts),
            **more,
        )

    document, query = {"text_type": "document"}, {"text_type": "query"}
    yield some("text", [TEXT])
    yield some("text with every script", [OTHER])
    yield some("texts", [TEXT, OTHER])
    yield some("texts beyond a batch", words(row.batch + 1))
    yield some("text that names a file", [str(PICTURE)])
    yield some("query", [TEXT], call=query, said=query)
    yield some("no role", [TEXT], call={"text_type": None}, said={})
    space = {"workspace": "ws-shop"}
    yield some("workspace", [TEXT], settings=space, said={**document, **space})
    more = {"parameters": {"later": {"n": 1}}}
    yield some("unknown parameter", [TEXT], settings={"extra_body": more}, said={**document, **more})
    for length in row.dimensions:
        asked = {**document, "dimension": length}
        yield some(f"dimensions {length}", [TEXT], settings={"dimensions": length}, said=asked)
    if row.instruct:
        task = {"instruct": TASK}
        yield some("query with instruct", [TEXT], settings=task, call=query, said={**query, **task})
        yield some("document with instruct", [TEXT], settings=task)
        yield some("no role with instruct", [TEXT], settings=task, call={"text_type": None}, said={})
    if row.sparse:
        for output in ("sparse", "dense&sparse"):
            form = {"output_type": output}
            yield some(output, [TEXT], call=form, said={**document, **form})
    if row.sparse and row.instruct and row.dimensions:
        task, form, least = {"instruct": TASK}, {"output_type": "dense&sparse"}, min(row.dimensions)
        asked = {**query, **task, **form, **space, "dimension": least}
        settings = {**task, **space, "dimensions": least}
        yield some("everything", [TEXT, OTHER], settings=settings, call={**query, **form}, said=asked)


def openai(row: ModelInfo) -> Iterator[Intent]:
    """Yield the intents of a text model on the compatible route."""
    if "openai" not in row.routes:
        return

    def some(claim: str, texts: Sequence[str], **more: Any) -> Intent:
        # The page's samples send "float"; it is also this SDK's default where Ark's fork is used.
        said = {"encoding_format": "float", **more.pop("said", {})}
        calls = [{"model": row.name, "input": list(chunk), **said} for chunk in chunks(texts, row.batch)]
        settings = {"route": "openai", **more.pop("settings", {})}
        return Intent(
            model_info=row,
            claim=f"openai {claim}",
            door="openai",
            theirs=tuple(calls),
            items=tuple(texts),
            settings=settings,
            **more,
        )

    yield some("text", [TEXT])
    yield some("texts", [TEXT, OTHER])
    yield some("texts beyond a batch", words(row.batch + 1))
    yield some("query", [TEXT], call={"text_type": "query"})
    body = {"encoding_format": "base64"}
    yield some("base64 encoding", [TEXT], settings={"extra_body": body}, said=body)
    space = {"X-DashScope-WorkSpace": "ws-shop"}
    yield some("workspace", [TEXT], settings={"workspace": "ws-shop"}, said={"extra_headers": space})
    for length in row.dimensions:
        asked = {"dimensions": length}
        yield some(f"dimensions {length}", [TEXT], settings=asked, said=asked)


def dashscope_media(row: ModelInfo) -> Iterator[Intent]:
    """Yield the intents of a multimodal model."""

    def some(claim: str, items: Sequence[Item], contents: Sequence[Any], **more: Any) -> Intent:
        said = more.pop("said", {})
        whole = any(isinstance(item, Fused) for item in items)
        asked = [list(contents)] if whole else chunks(contents, row.batch)
        calls = [{"model": row.name, "input": list(chunk), **said} for chunk in asked]
        return Intent(
            model_info=row,
            claim=claim,
            door="dashscope.media",
            theirs=tuple(calls),
            items=tuple(items),
            **more,
        )

    text, image = [{"text": TEXT}], [{"image": LINK}]
    yield some("text", [TEXT], text)
    yield some("text with every script", [OTHER], [{"text": OTHER}])
    yield some("texts", [TEXT, OTHER], [{"text": TEXT}, {"text": OTHER}])
    many = words(row.batch + 1)
    yield some("texts beyond a batch", many, [{"text": word} for word in many])
    yield some("text that names a file", [str(PICTURE)], [{"text": str(PICTURE)}])
    yield some("image url", [Image.from_url(LINK)], image)
    yield some("image url with escapes", [Image.from_url(LINK_2)], [{"image": LINK_2}])
    yield some("image data uri", [Image.from_url(DATA)], [{"image": DATA}])
    yield some("image bytes", [Image.from_bytes(PICTURE.read_bytes())], [{"image": DATA}])
    yield some("image file", [Image.from_path(PICTURE)], [{"image": str(PICTURE)}])
    stored = {"upload": True}
    yield some("image file uploaded", [Image.from_path(PICTURE)], [{"image": str(PICTURE)}], settings=stored)
    yield some("stored image", [Image.from_url(STORED)], [{"image": STORED}])
    yield some("text and image apart", [TEXT, Image.from_url(LINK)], [{"text": TEXT}, {"image": LINK}])
    for role in ("query", None):
        yield some(f"{role or 'no'} role", [TEXT], text, call={"text_type": role})
    space = {"workspace": "ws-shop"}
    yield some("workspace", [TEXT], text, settings=space, said=space)
    more = {"parameters": {"later": {"n": 1}}}
    yield some("unknown parameter", [TEXT], text, settings={"extra_body": more}, said=more)
    for length in row.dimensions:
        asked = {"dimension": length}
        yield some(f"dimensions {length}", [TEXT], text, settings={"dimensions": length}, said=asked)
    if row.instruct:
        task: dict[str, Any] = {"instruct": TASK}
        yield some("query with instruct", [TEXT], text, settings=task, call={"text_type": "query"}, said=task)
        yield some("no role with instruct", [TEXT], text, settings=task, call={"text_type": None}, said=task)
        yield some("document with instruct", [TEXT], text, settings=task)
    yield from _dashscope_video(row, some)
    yield from _dashscope_fused(row, some)
    yield from _dashscope_knobs(row, some, image)


def _dashscope_video(row: ModelInfo, some: Any) -> Iterator[Intent]:
    if "video" not in row.modalities:
        return
    yield some("video url", [Video.from_url(CLIP)], [{"video": CLIP}])
    if row.fps is not None:
        for share in (0.0, 0.5, 1.0):
            asked = {"fps": share}
            yield some(f"fps {share}", [Video.from_url(CLIP, fps=share)], [{"video": CLIP}], said=asked)


def _dashscope_fused(row: ModelInfo, some: Any) -> Iterator[Intent]:
    both = Fused(TEXT, Image.from_url(LINK))
    apart, together = [{"text": TEXT}, {"image": LINK}], [{"text": TEXT, "image": LINK}]
    if row.fusion == "flag":
        yield some("fused", [both], apart, said={"enable_fusion": True})
        yield some("fused as the guide has it", [both], together)
        everything = Fused(TEXT, Image.from_url(DATA), Image.from_url(LINK), Video.from_url(CLIP, fps=0.5))
        contents = [{"text": TEXT}, {"image": DATA}, {"image": LINK}, {"video": CLIP}]
        yield some("fused with video", [everything], contents, said={"enable_fusion": True, "fps": 0.5})
    elif row.fusion is not None:
        yield some("fused", [both], together if row.fusion == "object" else apart)
        everything = Fused(TEXT, Image.from_url(DATA), Video.from_url(CLIP, fps=0.5))
        contents = [{"text": TEXT}, {"image": DATA}, {"video": CLIP}]
        if row.fusion == "object":
            contents = [{"text": TEXT, "image": DATA, "video": CLIP}]
        yield some("fused with video", [everything], contents, said={"fps": 0.5})


def _dashscope_knobs(row: ModelInfo, some: Any, image: list[Any]) -> Iterator[Intent]:
    if "frames" in row.modalities:
        frames = Frames([Image.from_url(LINK), Image.from_url(DATA)])
        contents = [{"multi_images": [LINK, DATA]}]
        # v2 refuses the key itself: "each input item needs one of text/image/audio/video".
        yield some("multi images", [frames], contents, without=("v2",))
        if row.fusion == "object":
            together = [{"text": TEXT, "multi_images": [LINK, DATA]}]
            yield some("fused with multi images", [Fused(TEXT, frames)], together)
    for name, least in (("res_level", 0), ("max_video_frames", 1)):
        most = getattr(row, name)
        for value in () if most is None else (least, most):
            asked = {name: value}
            yield some(f"{name} {value}", [Image.from_url(LINK)], image, settings=asked, said=asked)


def file_jobs(row: ModelInfo) -> Iterator[Intent]:
    """Yield the intents of a model that takes files of texts."""

    def one(claim: str, url: str = LINES, **more: Any) -> Intent:
        said = {"model": row.name, "file_url": url, **more.pop("said", {"text_type": "document"})}
        return Intent(
            model_info=row, claim=f"job {claim}", door="dashscope.jobs", theirs=(said,), items=(url,), **more
        )

    document, space = {"text_type": "document"}, {"workspace": "ws-shop"}
    yield one("of documents")
    yield one("of queries", call={"text_type": "query"}, said={"text_type": "query"})
    yield one("without role", call={"text_type": None}, said={})
    yield one("in a workspace", settings=space, said={**document, **space})
    yield one("from temporary storage", url=STORED_LINES)

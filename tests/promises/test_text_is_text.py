"""
A string is text in every text argument: nothing that looks like a path or a URL is opened, fetched or resolved.

The one exception: a media token of LangChain's `media()`. A whole one at the end stands for its medium, what was made
of it otherwise is refused, and never embedded as its letters.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from paintings import painted
from promise import ARK, TEXT, Breakage

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings, media
from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding
from volc_dashscope import Fused, Image, InputError

BREAKAGES = [
    Breakage(
        "volc_dashscope/providers/ark.py",
        '    if isinstance(part, str):\n        return {"type": "text", "text": part}',
        '    if isinstance(part, str):\n        import os\n        if os.path.exists(part):\n            part = open(part, "rb").read()[:9].hex()\n        return {"type": "text", "text": part}',
        "test_what_looks_like_a_path_or_a_url_is_sent_as_it_is",
    ),
    Breakage(
        "volc_dashscope/providers/dashscope.py",
        '    if isinstance(part, str):\n        return {"text": part}',
        '    if isinstance(part, str):\n        return {"image": part} if part.startswith("http") else {"text": part}',
        "test_what_looks_like_a_path_or_a_url_is_sent_as_it_is",
    ),
    Breakage(
        "langchain_volc_dashscope/documents.py",
        'if unknown == "text" or (key is None and not is_damaged(text)):',
        'if unknown == "text" or key is None:',
        "test_a_media_token_is_its_medium_or_refused",
    ),
    Breakage(
        "langchain_volc_dashscope/media_token.py",
        '([0-9a-f]{64})⟧\\s*\\Z")',
        '([0-9a-f]{64})⟧")',
        "test_a_media_token_is_its_medium_or_refused",
    ),
]
VL = "qwen3-vl-embedding"


def _tempting(tmp_path: Path) -> list[str]:
    real = tmp_path / "picture.png"
    real.write_bytes(b"\x89PNG\r\n\x1a\n not to be read")
    return [
        str(real),
        f"file://{real}",
        "/etc/passwd",
        "../../etc/passwd",
        "~/.ssh/id_rsa",
        "https://example.com/a.png",
        "http://169.254.169.254/latest/meta-data",
        "oss://bucket/key.png",
        "data:image/png;base64,iVBORw0KGgo=",
        "$ARK_API_KEY ${HOME} %PATH%",
        "\\\\server\\share\\a.png",
    ]


def _ways(mount, model):
    client = mount.client(model)
    langchain, llama_index = (
        (ArkEmbeddings, ArkMultiModalEmbedding)
        if model == ARK
        else (DashScopeEmbeddings, DashScopeMultiModalEmbedding)
    )
    settings = mount.settings(langchain.provider_name)
    chain, index = langchain(model=model, **settings), llama_index(model_name=model, **settings)
    return {
        "embed": client.embed,
        "async": lambda items: asyncio.run(client.aio.embed(items)),
        "stream": lambda items: list(client.stream(items)),
        "fused": lambda items: client.embed([Fused(item) for item in items]),
        "LangChain documents": chain.embed_documents,
        "LangChain query": lambda items: [chain.embed_query(item) for item in items],
        "LlamaIndex batch": index.get_text_embedding_batch,
        "LlamaIndex query": lambda items: [index.get_query_embedding(item) for item in items],
    }


@pytest.mark.parametrize("model", [ARK, TEXT, VL])
def test_what_looks_like_a_path_or_a_url_is_sent_as_it_is(inside, audit, tmp_path, model) -> None:
    items = _tempting(tmp_path)

    for way, embed in _ways(inside, model).items():
        embed(["warm up"])
        inside.emulator.ledger.clear()
        audit.files_opened.clear()

        embed(items)

        assert (way, sorted(items)) == (way, sorted(inside.emulator.ledger.texts))
        assert (way, []) == (way, audit.files_opened)
    assert [] == audit.dialled


@pytest.mark.parametrize("model", [ARK, VL])
def test_a_media_token_is_its_medium_or_refused(inside, model) -> None:
    kind = ArkEmbeddings if model == ARK else DashScopeEmbeddings
    chain = kind(model=model, **inside.settings(kind.provider_name))
    token = str.__str__(media(Image.from_bytes(painted("red"))))
    stranger = f"⟦media:sha256:{'0' * 64}⟧"

    for whole in (token, f"{token}\n"):
        chain.embed_query(whole)
        chain.embed_documents([whole])
    for text in (f"{token}.", f"{token} what is this?", token[:-1], token[-20:], stranger):
        for ask in (chain.embed_query, lambda text: chain.embed_documents([text])):
            with pytest.raises(InputError):
                ask(text)

    assert (4, []) == (len(inside.emulator.ledger), inside.emulator.ledger.texts)

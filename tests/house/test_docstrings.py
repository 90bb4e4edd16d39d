"""
Every public class opens with an example, and every example in a docstring is run against the emulator.

An example is a ```python block; a ```text block after it is what it prints. Around it are what a reader has already:
the public names of the package and of its parent, the pictures of the guides, and a client of the emulator.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import shutil
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import FunctionType

import pytest
from llama_index.core import Settings
from test_readme import blocks

from volc_dashscope import Client
from volc_dashscope.emulator import Fault

PACKAGES = (
    "volc_dashscope",
    "volc_dashscope.bulk",
    "volc_dashscope.cache",
    "volc_dashscope.emulator",
    "volc_dashscope.inputs",
    "volc_dashscope.jobs",
    "volc_dashscope.models",
    "volc_dashscope.ray",
    "volc_dashscope.search",
    "volc_dashscope.search.gallery",
    "langchain_volc_dashscope",
    "llama_index_ext",
)
PUBLIC = {
    f"{package}.{name}": getattr(importlib.import_module(package), name)
    for package in PACKAGES
    for name in importlib.import_module(package).__all__
}
CLASSES = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}
DOCUMENTED = {
    name: text
    for name, thing in PUBLIC.items()
    if isinstance(thing, type | FunctionType)
    and "```python" in (text := inspect.cleandoc(thing.__doc__ or ""))
}
# What the service does in the example of an error.
FAULTS = {
    "EmbeddingError": (Fault("429"),),
    "ServiceError": (Fault("400", code="DataInspectionFailed"),),
    "AuthError": (Fault("401", code="InvalidApiKey"),),
    "QuotaError": (Fault("400", code="Arrearage"),),
    "RateLimitError": (Fault("429", retry_after=30),),
    "ContentError": (Fault("400", code="DataInspectionFailed"),),
    "RequestError": (Fault("400", code="InvalidParameter"),),
    "ServiceUnavailableError": (Fault("503"),),
    "TransportError": (Fault("reset"),),
    "BadReplyError": (Fault("missing"),),
    # First both items together, then the first of them alone.
    "BulkError": (Fault("400", code="DataInspectionFailed"), Fault("400", code="DataInspectionFailed")),
}
FILES = {
    "texts.txt": "a red shoe\na blue hat\n",
    "pairs.csv": "question,answer\nreset password,Billing\nreset password,Reset a password\n",
    "shoes.csv": "sku,title\n1,a red shoe\n2,a blue hat\n",
}
# What the text of an example takes for granted.
BEFORE = {
    "langchain_volc_dashscope.DashScopeRerank": """
        from langchain_core.vectorstores import InMemoryVectorStore
        store = InMemoryVectorStore(DashScopeEmbeddings(model="text-embedding-v4"))
        store.add_texts(["a red shoe", "a blue hat"])
    """,
    "llama_index_ext.DashScopeRerank": """
        from llama_index.core import MockEmbedding, VectorStoreIndex
        from llama_index.core.llms import MockLLM
        from llama_index.core.schema import TextNode
        index = VectorStoreIndex([TextNode(text="a red shoe")], embed_model=MockEmbedding(4))
        import llama_index.core
        llama_index.core.Settings.llm = MockLLM()
    """,
    "llama_index_ext.UsageCountingHandler": """
        from llama_index.core import Settings
        from llama_index.core.callbacks import CallbackManager
        embed_model = DashScopeMultiModalEmbedding(model_name="text-embedding-v4")
    """,
    "volc_dashscope.jobs.FileJobs": """
        url = emulator.publish("texts.txt", b"a red shoe\\na blue hat")
    """,
    "volc_dashscope.jobs.AsyncFileJobs": """
        url = emulator.publish("texts.txt", b"a red shoe\\na blue hat")
    """,
    "volc_dashscope.search.Entry": """
        client = Client("qwen3-vl-embedding")
        album = open_album(Path("pictures"), client, store_folder(Path("pictures"), "emulator"))
    """,
    "volc_dashscope.search.Reranked": """
        client = Client("qwen3-vl-embedding")
        album = open_album(Path("pictures"), client, store_folder(Path("pictures"), "emulator"))
    """,
    "volc_dashscope.search.PictureReranker": """
        client = Client("qwen3-vl-embedding")
        album = open_album(Path("pictures"), client, store_folder(Path("pictures"), "emulator"))
    """,
    "volc_dashscope.search.Found": """
        client = Client("qwen3-vl-embedding")
        album = open_album(Path("pictures"), client, store_folder(Path("pictures"), "emulator"))
    """,
}


@pytest.fixture(scope="module")
def reader(drawings, tmp_path_factory):
    """A folder with two of the pictures that the guides draw, and two small files."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "pictures").mkdir()
    for name in ("red_chair.png", "banana.png"):
        shutil.copy(drawings / "pictures" / name, folder / "pictures" / name)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def namespace(ark_dashscope_emulator_env, reader, tmp_path, monkeypatch):
    """What is around an example, by the name of what it is about."""
    shutil.copytree(reader, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    # Some examples set LlamaIndex's defaults, which are the process's; both are put back afterwards.
    for name in ("_callback_manager", "_llm"):
        monkeypatch.setattr(Settings, name, getattr(Settings, name))
    emulator = ark_dashscope_emulator_env
    clients = []

    def around(name):
        package, _, short = name.rpartition(".")
        if short in FAULTS:
            emulator.fail(*FAULTS[short])
        clients.append(Client("text-embedding-v4", max_retries=0, max_concurrency=1))
        names = {"client": clients[0], "emulator": emulator, "Path": Path, "__name__": "__main__"}
        for known in ("volc_dashscope", package):
            module = importlib.import_module(known)
            names |= {each: getattr(module, each) for each in module.__all__}
        if name in BEFORE:
            exec(inspect.cleandoc(BEFORE[name]), names)
        return names

    yield around
    for client in clients:
        client.close()


def execute(code, names):
    """Run an example; it may await at the top, as in a notebook."""
    result = eval(compile(code, "example", "exec", flags=PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def test_every_public_class_opens_with_an_example():
    """Right after the first sentence, so that it is the first thing a reader sees."""
    opened = re.compile(r"[^\n]+(?:\n[^\n]+)*\n\n```python\n")

    assert [] == [
        name for name, thing in CLASSES.items() if not opened.match(inspect.cleandoc(thing.__doc__ or ""))
    ]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a reader's script ends without closing its clients
@pytest.mark.parametrize("name", DOCUMENTED)
def test_an_example_runs_and_prints_what_it_says(name, namespace):
    names = namespace(name)

    for block in (each for each in blocks(DOCUMENTED[name]) if each.language == "python"):
        printed = StringIO()
        with redirect_stdout(printed):
            execute(block.code, names)
        assert printed.getvalue() == (block.output or "")

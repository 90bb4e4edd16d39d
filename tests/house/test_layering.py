"""Who may import what. A line that breaks one of these is a design decision: change the list, with its reason."""

from __future__ import annotations

import ast

import pytest
from source import PACKAGES, Module, modules

MODULES = modules()

HTTPX = {
    "volc_dashscope._http._dress": "a request as httpx's; the timeouts",
    "volc_dashscope._http._connection": "connections for its transports",
    "volc_dashscope._http._sockets": "the errors of its engine",
    "volc_dashscope._http._read": "from httpx's response to a reply of ours",
    "volc_dashscope._http._given": "uses the client handed in",
    "volc_dashscope._http._lanes": "dials",
    "volc_dashscope._http._home": "annotates the clients handed in",
    "volc_dashscope.fields": "pydantic evaluates the annotation of a client handed in; nothing is sent from here",
    "volc_dashscope.emulator.transport": "subclasses httpx's transports and hands clients out",
    "volc_dashscope.emulator.emulator": "annotates the clients that transport hands out",
}
PYDANTIC = {
    "volc_dashscope.fields": "the settings as fields, for frameworks that bring pydantic",
    "langchain_volc_dashscope": "LangChain's classes are pydantic models",
    "llama_index_ext": "LlamaIndex's classes are pydantic models",
}
FRAMEWORKS = {
    "langchain_core": "langchain_volc_dashscope",
    "langchain": "langchain_volc_dashscope",
    "langchain_qdrant": "langchain_volc_dashscope",
    "langchain_milvus": "langchain_volc_dashscope",
    "llama_index": "llama_index_ext",
}
FACES_SEE = {
    "volc_dashscope": "the public names",
    "volc_dashscope.fields": "the settings as pydantic fields, which the root must not import",
    "volc_dashscope.halves": "which calls bring both halves of a hybrid store",
    "volc_dashscope.inputs": "what to ask of any item: its parts, digest and label",
    "volc_dashscope.models": "the types of a row",
}

STARTS_THE_EMULATOR = {
    "volc_dashscope.cli._emulator": "the command that runs it",
    "volc_dashscope.cli._folder": "`--emulator`, to try a search without a key",
}

# Dependencies point up this list only: a module imports what stands above it.
ORDER = [
    "_version",
    "models._card",
    "models._ark",
    "models._dashscope",
    "models",
    "errors",
    "results",
    "_media._formats",
    "_media._measure",
    "_media._files",
    "_media._urls",
    "_media._sources",
    "_media._value",
    "_media",
    "inputs",
    "_items",
    "_columns",
    "_tokens",
    "_base64",
    "_wire",
    "halves",
    "_retry",
    "_allowance",
    "_room",
    "_pace",
    "_feed",
    "_flow",
    "_plan",
    "_check",
    "_config",
    "providers._verdict",
    "providers._source",
    "providers._reply",
    "providers._multi",
    "providers.ark",
    "providers.dashscope",
    "providers",
    "cache",
    "_memory",
    "_multipart",
    "_storage",
    "_upload",
    "_call",
    "_stream",
    "estimate_cost",
    "_progress",
    "_fan_out",
    "_http._body",
    "_http._dress",
    "_http._read",
    "_http._given",
    "_http._sockets",
    "_http._connection",
    "_http._lanes",
    "_http._aiohttp",
    "_http._keeper",
    "_http._threaded",
    "_http._home",
    "_http._drivers",
    "_http",
    "client",
    "jobs._job",
    "jobs._waiting",
    "jobs._gathering",
    "jobs._file_work",
    "jobs._batch_file",
    "jobs._batch_work",
    "jobs._settings",
    "jobs._file_jobs",
    "jobs._batch_jobs",
    "jobs",
    "fields",
    "bulk._records",
    "bulk._listing",
    "bulk._parquet",
    "bulk._sources",
    "bulk._journal",
    "bulk._vectors",
    "bulk._manifest",
    "bulk._draft",
    "bulk._report",
    "bulk._failed",
    "bulk._preview",
    "bulk._work",
    "bulk._current",
    "bulk._errands",
    "bulk._batch",
    "bulk",
    "album._album",
    "album._store",
    "album._map",
    "album",
    "gallery",
    "page._guard",
    "page._words",
    "page._files",
    "page._ask",
    "page._app",
    "page",
    "ray._rows",
    "ray._allowance",
    "ray._budget",
    "ray._embedder",
    "ray",
    "cli._speech",
    "cli._names",
    "cli._options",
    "cli._cache",
    "cli._estimate",
    "cli._embed",
    "cli._models",
    "cli._reach",
    "cli._checks",
    "cli._doctor",
    "cli._emulator",
    "cli._folder",
    "cli._search",
    "cli._serve",
    "cli._app",
    "cli",
    "__main__",
    "",
]
PURE = [
    "_retry", "_allowance", "_room", "_pace", "_plan", "_check", "_feed", "_flow", "_call", "_stream", "_columns",
    "_tokens", "_base64", "_wire",
    "results", "errors",
    "models", "models._card", "models._ark", "models._dashscope",
    "providers", "providers._verdict", "providers._source", "providers._reply", "providers._multi",
    "providers.ark", "providers.dashscope",
]  # fmt: skip
IMPURE = {"asyncio", "logging", "os", "pathlib", "random", "secrets", "socket", "threading", "time", "uuid"}
LOCK = "volc_dashscope._pace"  # a pace is shared by threads and counts under a lock; it reads no clock

EACH = pytest.mark.parametrize("module", MODULES, ids=repr)
CORE = [module for module in MODULES if module.package == "volc_dashscope" and not module.emulator]
FACES = [module for module in MODULES if module.package != "volc_dashscope"]


def _own(module: Module) -> str:
    return module.name.removeprefix("volc_dashscope").removeprefix(".")


def _named(name: str) -> Module:
    return next(module for module in MODULES if module.name == name)


@EACH
def test_httpx_is_imported_only_where_listed(module):
    loaded = [found.line for found in module.loaded if found.top in ("httpx", "httpcore")]

    assert module.name in HTTPX or [] == loaded


@EACH
def test_only_typing_may_look_at_httpx_elsewhere_and_only_where_a_client_is_handed_in(module):
    looks = [found.line for found in module.imports if found.typing_only and found.top == "httpx"]

    assert module.name in ("volc_dashscope.client", "volc_dashscope.jobs._settings") or [] == looks


@EACH
def test_each_framework_stays_in_its_own_package(module):
    strangers = [
        found for found in module.imports if FRAMEWORKS.get(found.top, module.package) != module.package
    ]

    assert [] == strangers


@EACH
def test_pydantic_is_imported_only_where_listed(module):
    uses = [found.line for found in module.imports if found.top.startswith("pydantic")]

    assert module.name in PYDANTIC or module.package in PYDANTIC or [] == uses


@pytest.mark.parametrize("module", FACES, ids=repr)
def test_faces_see_only_the_public_modules_of_the_core(module):
    seen = {found.module for found in module.imports if found.top == "volc_dashscope"}
    private = [
        name
        for found in module.imports
        if found.top == "volc_dashscope"
        for name in found.names
        if name.startswith("_") and not name.startswith("__")
    ]

    assert set() == seen - FACES_SEE.keys()
    assert [] == private


@pytest.mark.parametrize("module", FACES, ids=repr)
def test_faces_do_not_see_each_other(module):
    others = {*PACKAGES, "volc_dashscope"} - {"volc_dashscope", module.package}

    assert [] == [found for found in module.imports if found.top in others]


@pytest.mark.parametrize("module", [module for module in MODULES if module.emulator], ids=repr)
def test_the_emulator_shares_the_model_table_and_nothing_else(module):
    """A shared builder would let two bugs cancel out."""
    shared = {found.module for found in module.imports if found.top == "volc_dashscope"}

    own = ("volc_dashscope.models.", "volc_dashscope.emulator.")
    assert [] == [name for name in shared if not f"{name}.".startswith(own)]


@pytest.mark.parametrize("module", CORE, ids=repr)
def test_the_client_does_not_know_the_emulator(module):
    assert module.name in STARTS_THE_EMULATOR or [] == [
        found for found in module.imports if "volc_dashscope.emulator" in found.module
    ]


@pytest.mark.parametrize("module", CORE, ids=repr)
def test_modules_of_the_core_are_in_the_order(module):
    assert _own(module) in ORDER, "a new module: give it a place in ORDER"


@pytest.mark.parametrize("module", CORE, ids=repr)
def test_dependencies_point_one_way(module):
    place = ORDER.index(_own(module))
    targets = [found for found in module.loaded if found.top == "volc_dashscope"]

    upwards = [
        (found.line, found.module)
        for found in targets
        if found.module != "volc_dashscope"
        # Who may start the emulator is said above.
        and not found.module.startswith("volc_dashscope.emulator")
        and not set(ORDER[:place]) & {found.module.removeprefix("volc_dashscope.")}
    ]
    # Importing the root from inside would need everything there is.
    roots = [
        found.line
        for found in targets
        if found.module == "volc_dashscope" and not set(found.names) <= {"__version__"}
    ]

    assert [] == upwards
    assert [] == roots


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_receive_clock_and_chance(name):
    module = _named(f"volc_dashscope.{name}")
    impure = [found for found in module.imports if found.top in IMPURE]
    if module.name == LOCK:
        impure = [found for found in impure if (found.module, found.names) != ("threading", ("Lock",))]

    assert [] == impure


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_do_not_ask_for_today(name):
    tree = _named(f"volc_dashscope.{name}").tree
    asked = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]

    assert [] == [node.lineno for node in asked if node.attr in ("now", "utcnow", "today", "default_rng")]


@EACH
def test_the_environment_is_read_in_one_module(module):
    reads = [
        node.lineno
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and {"environ", "getenv"} & _names(node))
    ]

    assert module.name == "volc_dashscope._config" or [] == reads


@EACH
def test_pillow_is_imported_inside_the_function_that_needs_it(module):
    assert [] == [found.line for found in module.loaded if found.top == "PIL" and not found.inner]


@EACH
def test_nothing_is_imported_with_a_star(module):
    assert [] == [found.line for found in module.imports if found.star]


@pytest.mark.parametrize("name", HTTPX)
def test_the_list_of_exceptions_has_no_dead_entry(name):
    assert {"httpx", "httpcore"} & {found.top for found in _named(name).loaded}


def _names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}

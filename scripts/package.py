"""
`make package`: what is built can be published, installed, used and type-checked.

Everything happens in a temporary directory. Wheel and sdist are built and checked. The wheel is installed bare and with
each extra of its metadata, each in an empty environment on every supported Python there is, and a program of its own
asks an emulator on 127.0.0.1. Type checkers read `package_consumer.py`. An extra without a program is an error.
The distributions of `packaging/`, which are further names for the same package, are built, checked, installed and used
in the same way.

When all is well, the archives are in `dist/`, and the commands that publish them are printed. `make chaos` runs the
same as its step `package` and keeps nothing. Long because the program that tries each extra stands here too.
"""

from __future__ import annotations

import email
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSUMER = Path(__file__).with_name("package_consumer.py")
PACKAGES = ("volc_dashscope", "langchain_volc_dashscope", "llama_index_ext")
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
MOST = 39  # packages that `pip install volc-dashscope[langchain]` may bring, itself included
PATIENCE = 900

CORE = """
import sys
from volc_dashscope import Client, Fused, Image, estimate_cost
with Client("text-embedding-v4", dimensions=64) as client:
    assert client.embed(["a", "b"]).vectors.shape == (2, 64)
assert estimate_cost(["a"] * 25, "text-embedding-v4").requests == 3
assert not {"langchain_core", "llama_index", "PIL", "pydantic", "ray", "aiohttp"} & set(sys.modules)
"""
LANGCHAIN = """
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_volc_dashscope import ArkEmbeddings
store = InMemoryVectorStore.from_texts(["blue sea", "red chair"], ArkEmbeddings())
assert store.similarity_search("the blue sea", k=1)[0].page_content == "blue sea"
"""
LLAMA_INDEX = """
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index_ext import DashScopeMultiModalEmbedding
model = DashScopeMultiModalEmbedding(model_name="text-embedding-v4")
index = VectorStoreIndex([TextNode(text="blue sea"), TextNode(text="red chair")], embed_model=model)
assert index.as_retriever(similarity_top_k=1).retrieve("the blue sea")[0].text == "blue sea"
"""
IMAGES = """
from PIL import Image as Pillow
from volc_dashscope import Client, Image
with Client("doubao-embedding-vision-251215") as client:
    assert client.embed([Image.from_pil(Pillow.new("RGB", (32, 32)))]).vectors.shape == (1, 2048)
"""
EMULATOR = """
from importlib.metadata import entry_points
from volc_dashscope import Client
from volc_dashscope.emulator import Emulator
with Emulator() as emulator, Client("text-embedding-v4", base_url=emulator.dashscope_url) as client:
    client.embed(["a"])
    assert emulator.ledger.texts == ["a"]
assert any("volc_dashscope" in point.value for point in entry_points(group="pytest11"))
"""
MULTI = """
from volc_dashscope import Client
with Client("doubao-embedding-vision-251215") as client:
    assert client.embed(["blue sea"], output_type="multi").multi[0].shape[1] > 0
"""
BULK = """
import pathlib, subprocess, sys
pathlib.Path("texts.txt").write_text("one\\ntwo\\nthree\\n")
command = pathlib.Path(sys.executable).with_name("volc-dashscope")
subprocess.run([command, "embed", "texts.txt", "-m", "text-embedding-v4", "-o", "out.parquet"], check=True)
import pyarrow.parquet
assert pyarrow.parquet.read_table("out.parquet").num_rows == 3
"""
FAST = """
import sys
from volc_dashscope import Client
with Client("doubao-embedding-vision-251215") as client:
    assert client.embed(["one", "two"]).vectors.shape == (2, 2048)
assert "pybase64" in sys.modules
"""
SERVE = """
import json, pathlib, subprocess, sys
from urllib.request import urlopen
from PIL import Image as Pillow
pathlib.Path("photos").mkdir()
for colour in ("red", "blue"):
    Pillow.new("RGB", (32, 32), colour).save(f"photos/{colour}.png")
command = pathlib.Path(sys.executable).with_name("volc-dashscope")
server = subprocess.Popen([command, "serve", "photos", "--port", "0", "--json"], stdout=subprocess.PIPE)
try:
    url = json.loads(server.stdout.readline())["url"]
    static = [f"static/{name}" for name in ("page.css", "page.js", "map.js", "words.json", "icon.svg")]
    for path in ("", "api/album", "thumb/1", "file/0", *static):
        assert urlopen(url + path, timeout=30).read(), path
finally:
    server.terminate()
    server.wait(30)
"""
RAY = """
import sys
from volc_dashscope.ray import Embedder, RateBudget
assert "ray" not in sys.modules
import numpy, ray.data
embedder = Embedder(model="text-embedding-v4", text_column="text", dimensions=64)
assert embedder({"text": numpy.array(["a", "b"], dtype=object)})["vector"].shape == (2, 64)
"""
OTEL = """
from opentelemetry import trace
from volc_dashscope import Client
assert len(Client("text-embedding-v4").embed(["a red apple"])) == 1
assert not trace.get_current_span().is_recording()
"""
RERANK = """
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.volc_dashscope_rerank import DashScopeRerank
nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("blue sea", "red chair")]
(first,) = DashScopeRerank(top_n=1).postprocess_nodes(nodes, query_str="the red chair")
assert first.node.text == "red chair"
"""
# By the name of the extra. One that is not here, and one that is here only, is an error.
PROGRAMS: dict[str, str] = {
    "langchain": LANGCHAIN,
    "llama-index": LLAMA_INDEX,
    "images": IMAGES,
    "emulator": EMULATOR,
    "multi": MULTI,
    "bulk": BULK,
    "serve": SERVE,
    "fast": FAST,
    "ray": RAY,
    "otel": OTEL,
    "all": LANGCHAIN + LLAMA_INDEX + IMAGES + EMULATOR + MULTI + BULK + SERVE + FAST + OTEL,
}

# By the name of the distribution in `packaging/`.
NAMES: dict[str, str] = {
    "langchain-volc-dashscope": LANGCHAIN,
    "llama-index-embeddings-volc-dashscope": LLAMA_INDEX.replace(
        "llama_index_ext", "llama_index.embeddings.volc_dashscope"
    ),
    "llama-index-postprocessor-volc-dashscope-rerank": RERANK,
}
# What each may install; the names above them belong to the package and to LlamaIndex.
OWN: dict[str, str] = {
    "llama-index-embeddings-volc-dashscope": "llama_index/embeddings/volc_dashscope/",
    "llama-index-postprocessor-volc-dashscope-rerank": "llama_index/postprocessor/volc_dashscope_rerank/",
}


@dataclass(frozen=True)
class Bench:
    """Where the step works: a temporary directory, and the variables that lead to the emulator."""

    folder: Path
    variables: dict[str, str]

    @property
    def wheel(self) -> Path:
        """What was built to be installed."""
        (found,) = self.folder.glob("*.whl")
        return found

    @property
    def sdist(self) -> Path:
        """What was built to be kept."""
        (found,) = self.folder.glob("*.tar.gz")
        return found

    @property
    def names(self) -> list[Path]:
        """The wheels and sdists of `packaging/`."""
        return sorted((self.folder / "names").iterdir())

    def environment(self, name: str, python: str, *requirements: str) -> Path:
        """Make an empty environment, install into it, and return its Python."""
        place = self.folder / name
        inside = place / "bin" / "python"
        if shutil.which("uv"):
            _do("uv", "venv", "--quiet", "--python", python, str(place))
            _do("uv", "pip", "install", "--quiet", "--python", str(inside), *requirements)
        else:
            _do(python, "-m", "venv", str(place))
            _do(str(inside), "-m", "pip", "install", "--quiet", *requirements)
        return inside

    def run(self, python: Path, program: str) -> None:
        """Run a program where neither the repository nor this process' modules can be seen."""
        work = Path(tempfile.mkdtemp(dir=self.folder))
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        _do(str(python), "-I", "-c", program, cwd=work, env={**kept, **self.variables})


class Failed(Exception):
    """A command that did not end well."""


def _do(*command: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise Failed(f"{' '.join(command[:4])[:120]} ended with {done.returncode}: {said[-1500:]}")
    return done.stdout


def check_build(bench: Bench) -> str:
    """Build both archives and let twine read them."""
    python = str(bench.environment("tools", sys.executable, "build", "twine"))
    _do(python, "-m", "build", "--outdir", str(bench.folder), str(ROOT))
    _do(python, "-m", "twine", "check", "--strict", str(bench.wheel), str(bench.sdist))
    return f"{bench.wheel.name} and {bench.sdist.name} pass twine check --strict"


def build_names(bench: Bench) -> str:
    """Build the distributions of `packaging/` and let twine read them."""
    python = str(bench.folder / "tools" / "bin" / "python")
    for name in NAMES:
        _do(python, "-m", "build", "--outdir", str(bench.folder / "names"), str(ROOT / "packaging" / name))
    _do(python, "-m", "twine", "check", "--strict", *map(str, bench.names))
    return f"{len(bench.names)} archives of {len(NAMES)} further names pass twine check --strict"


def check_name(bench: Bench, name: str) -> str:
    """Look into one wheel of `packaging/`, install it beside the package, and use it by its name."""
    (wheel,) = (bench.folder / "names").glob(f"{name.replace('-', '_')}-*.whl")
    files = [file for file in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in file]
    strange = [file for file in files if name not in OWN or not file.startswith(OWN[name])]
    if strange or (name in OWN and not files):
        raise Failed(f"the wheel of {name} holds {strange or 'nothing'}")
    # The package without its extra: the distribution has to ask for it.
    python = bench.environment(name, sys.executable, str(wheel), str(bench.wheel))
    bench.run(python, NAMES[name])
    shutil.rmtree(bench.folder / name)
    return f"{name} works by its own name"


def check_files(bench: Bench) -> str:
    """Look into both archives."""
    names = zipfile.ZipFile(bench.wheel).namelist()
    inside = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    missing = [name for package in PACKAGES if (name := f"{package}/py.typed") not in names]
    if inside != set(PACKAGES) or missing:
        raise Failed(f"the wheel holds {sorted(inside)}; missing: {missing}")
    with tarfile.open(bench.sdist) as archive:
        packed = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    lacking = {"tests/conftest.py", "README.zh-CN.md", "Makefile", "scripts/environment"}
    lacking |= {f"packaging/{name}/pyproject.toml" for name in NAMES}
    lacking -= packed
    if lacking:
        raise Failed(f"the sdist lacks {sorted(lacking)}")
    return f"{len(names)} files in the wheel, {len(packed)} in the sdist"


def find_python(version: str) -> str | None:
    """Return the path of a Python that starts: from PATH, else from pyenv."""
    places = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in (shutil.which(f"python{version}"), *map(str, places)):
        if candidate is not None:
            asked = subprocess.run([candidate, "-V"], capture_output=True, text=True, check=False)
            if asked.returncode == 0 and f" {version}." in asked.stdout:
                return candidate
    return None


def pythons() -> dict[str, str]:
    """Return the path of each supported Python that is installed, by version."""
    return {version: path for version in SUPPORTED if (path := find_python(version))}


def check_pythons(bench: Bench, found: Mapping[str, str]) -> str:
    """Install the bare wheel on every Python there is, and the sdist on this one."""
    for version, python in found.items():
        bench.run(bench.environment(f"core-{version}", python, str(bench.wheel)), CORE)
    bench.run(bench.environment("from-sdist", sys.executable, str(bench.sdist)), CORE)
    return f"wheel on {', '.join(found)}; sdist on {sys.version_info.major}.{sys.version_info.minor}"


def extras(wheel: Path) -> list[str]:
    """Return the extras that the wheel says it has."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name)).get_all("Provides-Extra", [])


def check_extras(bench: Bench, found: Mapping[str, str]) -> Iterator[str]:
    """Install each extra alone on every Python there is, run its program, and count what it brings."""
    offered = extras(bench.wheel)
    if set(offered) != set(PROGRAMS):
        raise Failed(f"extras without a program, or programs without one: {set(offered) ^ set(PROGRAMS)}")
    for extra in offered:
        for version, interpreter in found.items():
            name = f"extra-{extra}-{version}"
            python = bench.environment(name, interpreter, f"{bench.wheel}[{extra}]")
            bench.run(python, PROGRAMS[extra])
            count = _count(python)
            shutil.rmtree(bench.folder / name)
            if extra == "langchain" and count > MOST:
                raise Failed(f"[langchain] brings {count} packages, more than {MOST}")
            yield f"[{extra}] works alone on {version}, {count} packages"


def _count(python: Path) -> int:
    """Return how many distributions are installed, without the installers that `venv` brings."""
    program = (
        "from importlib.metadata import distributions\n"
        "names = {found.metadata['Name'].lower() for found in distributions()}\n"
        "print(len(names - {'pip', 'setuptools', 'wheel'}))"
    )
    return int(_do(str(python), "-I", "-c", program))


def check_types(bench: Bench) -> Iterator[str]:
    """Let mypy and pyright read a user's code, and pyright every public name, from the installed wheel."""
    python = bench.environment("types", sys.executable, f"{bench.wheel}[all]", "mypy", "pyright[nodejs]")
    work = bench.folder / "typed"
    work.mkdir()
    shutil.copy(CONSUMER, work / "consumer.py")
    (work / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    at = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    at.pop("PYTHONPATH", None)
    _do(str(python), "-m", "mypy", "--strict", "--disallow-any-expr", "consumer.py", cwd=work, env=at)
    _do(str(python), "-m", "pyright", "consumer.py", cwd=work, env=at)
    yield "mypy --strict and pyright (strict) read a user's code"
    for package in PACKAGES:
        command = [str(python), "-m", "pyright", "--verifytypes", package, "--ignoreexternal", "--outputjson"]
        # Its exit code counts names whose type is inferred, too; unknown ones are what a user would feel.
        answer = subprocess.run(command, cwd=work, env=at, capture_output=True, text=True, check=False)
        found = json.loads(answer.stdout)["typeCompleteness"]
        counts = found["exportedSymbolCounts"]
        if not counts["withKnownType"] or counts["withUnknownType"]:
            raise Failed(f"pyright --verifytypes {package}: {counts}")
        yield f"{package}: {found['completenessScore']:.1%} of the public types declared, none unknown"


def _steps(bench: Bench) -> Iterator[str]:
    found = pythons()
    if not found:
        raise Failed(f"none of the supported Pythons is installed: {', '.join(SUPPORTED)}")
    yield check_build(bench)
    yield build_names(bench)
    yield check_files(bench)
    yield from (check_name(bench, name) for name in NAMES)
    yield check_pythons(bench, found)
    yield from check_extras(bench, found)
    yield from check_types(bench)


def publishing(wheel: str, sdist: str, names: Sequence[str] = ()) -> str:
    """Return what a maintainer types to publish the archives of `dist/`: the package, then what needs it."""
    version = wheel.split("-")[1]
    more = f"    python -m twine upload {' '.join(f'dist/{name}' for name in names)}\n" if names else ""
    return f"""
dist/{wheel} and dist/{sdist} are ready. To publish them:

    git tag v{version}
    git push origin v{version}
    python -m pip install twine
    python -m twine upload dist/{wheel} dist/{sdist}
{more}"""


def run_package(keep: Path | None = None) -> list[str]:
    """
    Build, install and use the package; return what went wrong.

    Args:
        keep: Where the archives are copied to when nothing did.
    """
    sys.path.insert(0, str(ROOT))
    from volc_dashscope.emulator import Emulator

    with tempfile.TemporaryDirectory(prefix="volc-dashscope-package-") as folder, Emulator() as emulator:
        bench = Bench(
            Path(folder),
            {
                "ARK_API_KEY": "any",
                "ARK_BASE_URL": emulator.ark_url,
                "DASHSCOPE_API_KEY": "any",
                "DASHSCOPE_BASE_URL": emulator.dashscope_url,
            },
        )
        try:
            for line in _steps(bench):
                print(line, flush=True)
        except Failed as error:
            return [f"packaging: {error}"]
        if keep is not None:
            keep.mkdir(exist_ok=True)
            for archive in (bench.wheel, bench.sdist, *bench.names):
                shutil.copy(archive, keep)
            names = [archive.name for archive in bench.names]
            print(publishing(bench.wheel.name, bench.sdist.name, names))
    return []


if __name__ == "__main__":
    sys.exit("\n".join(run_package(ROOT / "dist")) or 0)

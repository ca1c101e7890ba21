"""The shape of the whole: arrows point down, imports are light, public names are declared."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A name may import only from lines above it; names on one line do not import each other.
LAYERS = [
    ["engine.errors", "engine.settings", "engine.shipped"],
    ["engine.imaging", "engine.home", "engine.durable", "engine.locks"],
    ["engine.memory_guard", "engine.gradcam", "engine.inference"],
    ["engine.segmentation"],
    [
        *("engine.training", "engine.eyes", "engine.spine", "engine.cells"),
        *("engine.datasets", "engine.annotation"),
    ],
    ["engine.store"],
    ["engine.people"],
    ["engine.backups"],
    ["engine.jobs"],
    ["engine.catalogue"],
    ["engine.monitoring"],
    ["engine.workbench", "engine.doctor"],
    ["engine.cli"],
    ["api"],
    ["ui_gradio", "ui_streamlit"],
    ["app"],
]
# Inside the spine, a name imports only from lines above its own; a package counts as one name.
SPINE_LAYERS = [
    ["choices", "vertebrae", "pacing", "limits"],
    ["measures", "audit", "phantoms"],
    ["segmenters", "examples"],
    ["weights", "embedded"],
    ["nnunet"],
    ["totalsegmentator"],
    ["backends", "results"],
    ["detecting"],
    ["documents"],
    ["saved", "looking"],
    ["pictures"],
    ["exports"],
    ["worker", "command"],
    ["processes"],
    ["runner"],
]
FOUNDATION = {"engine.errors", "engine.settings", "engine.shipped"}
FORBIDDEN_FOLDERS = {"utils", "util", "helpers", "common", "misc", "core"}
AREAS = ("engine", "api", "ui_gradio", "ui_streamlit")
SOURCES = [
    *sorted(path for area in AREAS for path in (ROOT / area).rglob("*.py")),
    ROOT / "app.py",
]


def is_page(path: Path) -> bool:
    """A Streamlit page is a script and a ``__main__`` an entry: they export nothing."""
    in_studio = path.is_relative_to(ROOT / "ui_streamlit") and path.name != "__init__.py"
    return in_studio or path.name == "__main__.py"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> tuple[int, str] | None:
    for number, names in enumerate(LAYERS):
        for name in names:
            if module == name or module.startswith(name + "."):
                return number, name
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the checks ask of one module; its syntax tree is not kept."""

    imports: tuple[tuple[int, str], ...]
    for_types_only: frozenset[int]
    declared: tuple[tuple[str, ...], ...]
    stubs: tuple[tuple[int, str], ...]


@cache
def facts_of(path: Path) -> Facts:
    """Read a module once for all checks."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    return Facts(
        imports=tuple(imports_among(nodes, path)),
        for_types_only=frozenset(lines_for_types_only(nodes)),
        declared=tuple(declared_names(tree)),
        stubs=tuple(stubs_among(nodes)),
    )


def imported_modules(path: Path) -> tuple[tuple[int, str], ...]:
    return facts_of(path).imports


def imports_among(nodes: list[ast.AST], path: Path) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} uses a relative import"
            yield from ((node.lineno, f"{node.module or ''}.{one.name}") for one in node.names)


def lines_for_types_only(nodes: list[ast.AST]) -> Iterator[int]:
    """Yield the lines that stand under ``if TYPE_CHECKING``."""
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def upward_imports(path: Path) -> list[str]:
    own = layer_of(module_name(path))
    wrong = []
    for line, name in imported_modules(path):
        other = layer_of(name)
        if own is None or other is None or other[1] == own[1]:
            continue
        is_sibling_of_foundation = other[1] in FOUNDATION and own[1] in FOUNDATION
        if other[0] >= own[0] and not is_sibling_of_foundation:
            wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    return wrong


def test_arrows_point_down() -> None:
    """A module imports only from lines above its own in the list of layers."""
    assert [wrong for path in SOURCES for wrong in upward_imports(path)] == []


def spine_part(module: str) -> str:
    """``engine.spine.audit.rows`` is of ``audit``; empty for the package itself and for others."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["engine", "spine"] and len(parts) > 2 else ""


def test_arrows_point_down_inside_the_spine() -> None:
    """From records over segmenters and detection to runs: nothing imports what stands on it."""
    lines = {name: number for number, names in enumerate(SPINE_LAYERS) for name in names}
    wrong = []
    for path in (path for path in SOURCES if spine_part(module_name(path))):
        own = spine_part(module_name(path))
        assert own in lines, f"{own} has no line in SPINE_LAYERS"
        for line, name in imported_modules(path):
            other = spine_part(name)
            if other in lines and other != own and lines[other] >= lines[own]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


def test_an_upward_import_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself finds an engine module that imports a user interface."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    bad = tmp_path / "engine" / "imaging" / "pictures.py"
    bad.parent.mkdir(parents=True)
    bad.write_text("from engine.eyes import results\nimport ui_gradio.eyes\n")
    assert len(upward_imports(bad)) == 2


def test_the_engine_never_imports_a_user_interface_library() -> None:
    """No engine module imports gradio, streamlit or fastapi, not even inside a function."""
    libraries = ("gradio", "gradio_client", "streamlit", "fastapi", "starlette")
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        if path.is_relative_to(ROOT / "engine")
        for line, name in imported_modules(path)
        if name.split(".")[0] in libraries
    ]
    assert wrong == []


LIGHT = [
    *("engine", "engine.settings", "engine.cli", "app"),
    *("engine.eyes", "engine.spine", "engine.spine.runner", "engine.spine.worker"),
    *("engine.segmentation", "engine.training"),
    *("engine.store", "engine.people", "engine.backups", "engine.jobs", "engine.monitoring"),
    *("engine.workbench", "api"),
]


def test_importing_is_light() -> None:
    """Importing the engine, an area or the application loads no heavy library."""
    heavy = (
        "torch cv2 dlib openvino skimage scipy PIL gradio streamlit nibabel totalsegmentator "
        "boto3 s3fs pandas moto"
    )
    code = (
        "import importlib, sys\n"
        f"for module in {LIGHT}:\n"
        "    importlib.import_module(module)\n"
        f"    loaded = [name for name in '{heavy}'.split() if name in sys.modules]\n"
        "    assert not loaded, f'{module} loads {loaded}'\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_only_settings_reads_the_environment() -> None:
    """``os.environ`` and ``os.getenv`` occur in engine/settings.py alone."""
    readers = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if any(word in path.read_text(encoding="utf-8") for word in ("os.environ.get", "os.getenv"))
    ]
    assert readers in ([], ["engine/settings.py"])


def test_public_names_are_declared() -> None:
    """Each library module declares ``__all__``, sorted."""
    wrong = [wrong for path in SOURCES if not is_page(path) for wrong in undeclared_names(path)]
    assert wrong == []


def undeclared_names(path: Path) -> list[str]:
    """Return what is wrong with the ``__all__`` of a module."""
    shown = path.relative_to(ROOT)
    declared = facts_of(path).declared
    if len(declared) != 1:
        return [f"{shown} declares {len(declared)} __all__ instead of one"]
    in_order = sorted(declared[0], key=_all_order)
    return [] if list(declared[0]) == in_order else [f"{shown} sorts __all__ otherwise"]


def declared_names(tree: ast.Module) -> Iterator[tuple[str, ...]]:
    for node in tree.body:
        is_value = isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        if is_value and "__all__" in _targets(node):
            yield tuple(ast.literal_eval(node.value))


def _targets(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _all_order(name: str) -> tuple[int, str]:
    """Ruff's order of ``__all__``: CONSTANTS, Classes, functions."""
    kind = 0 if name.isupper() else 1 if name.lstrip("_")[:1].isupper() else 2
    return kind, name


def test_folder_names_say_what_is_inside() -> None:
    """No folder is called after nothing in particular."""
    folders = {part for path in SOURCES for part in path.relative_to(ROOT).parts[:-1]}
    stems = {path.stem for path in SOURCES}
    assert (folders | stems) & FORBIDDEN_FOLDERS == set()


def test_no_empty_public_function_pretends_to_work() -> None:
    """No function outside a Protocol has a body of ``pass``, ``...`` or NotImplementedError."""
    stubs = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in SOURCES
        for line, name in facts_of(path).stubs
    ]
    assert stubs == []


def stubs_among(nodes: list[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield line and name of the functions that only pretend."""
    protocols = {
        id(child)
        for node in nodes
        if isinstance(node, ast.ClassDef) and any(map(_is_interface, node.bases))
        for child in ast.walk(node)
    }
    for node in nodes:
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and id(node) not in protocols and _is_stub(node):
            yield node.lineno, node.name


def _is_interface(base: ast.expr) -> bool:
    text = ast.unparse(base)
    return "Protocol" in text or "ABC" in text


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    body = [statement for statement in node.body if not _is_docstring(statement)]
    empty = all(isinstance(one, ast.Pass) or _is_ellipsis(one) for one in body) and len(body) <= 1
    raises = [child for child in ast.walk(node) if isinstance(child, ast.Raise) and child.exc]
    return empty or any("NotImplementedError" in ast.unparse(one.exc) for one in raises)


def _is_ellipsis(node: ast.stmt) -> bool:
    constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return constant and node.value.value is Ellipsis


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_every_test_says_what_it_shows() -> None:
    """Each test function has a docstring that states one behaviour."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_openvino_is_loaded_in_one_place_only() -> None:
    """A plain ``import openvino`` sends a usage event; our loader does not let it."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        if path.relative_to(ROOT).as_posix() != "engine/inference/openvino_library.py"
        for line, name in imported_modules(path)
        if name.split(".")[0] == "openvino" and line not in facts_of(path).for_types_only
    ]
    assert wrong == []


BUILDING = """
import sys, tempfile
from pathlib import Path

import app
from engine.settings import Settings

settings = Settings(home=Path(tempfile.mkdtemp()))
app.create_app(settings)
"""
TORCH_TOLD = 'print("torch" in sys.modules)'
CHECKING_AN_EYE = """
from engine.eyes.screening import EyeScreener

EyeScreener(settings).warm()
"""
FINDING_VERTEBRAE = """
from engine.spine.backends import open_segmenter
from engine.spine.detecting import detect
from engine.spine.examples import draw_example, find_example
from engine.spine.looking import look_at

look_at(None, "lumbar", settings)
detect(draw_example(find_example("lumbar")), open_segmenter("embedded", settings))
"""


def test_the_serving_path_never_loads_torch() -> None:
    """The whole application, an eye and a spine, each in turn, leave torch unloaded: 300 MB."""
    code = "\n".join([BUILDING, CHECKING_AN_EYE, TORCH_TOLD, FINDING_VERTEBRAE, TORCH_TOLD])
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert result.stdout.split() == ["False", "False"]

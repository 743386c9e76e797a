"""The architecture as a test: imports run one way, rooms stay small, words are kept, and the engine knows no screen."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import engine
from engine import schema

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "engine"

ORDER = ("version", "errors", "schema", "files", "progress", "parts", "pseudonyms", "state", "permissions", "limits",
         "saved", "catalog", "locks", "backup", "data", "noted", "uploads", "prediction", "decision", "campaign",
         "evidence", "insight", "briefing", "listings", "reports", "spark_scoring", "spark_training", "bulk",
         "pipeline", "champions", "correcting", "planning", "campaigning", "settling", "intake", "onboarding", "jobs",
         "forgetting", "erasure", "restoring", "watch", "__init__", "cards", "cards_plan", "cards_campaign",
         "cards_onboard", "cards_models", "grammar", "verbs_scale", "verbs_learn", "verbs_onboard", "verbs_decide",
         "verbs_campaign", "verbs_models", "__main__")
KEEPERS = {"catalog", "limits", "locks", "permissions", "uploads"}  # they write down or compare who it is
RECORDS = {"record", "keep", "within", "take", "Receipt", "register", "save_run"}
SCREEN = {"streamlit", "plotly", "ui", "pages"}
SLOW = {"pandas", "ibis", "sqlalchemy", "duckdb", "scipy"}
HEAVY = {"lightgbm", "xgboost", "shap", "sklearn", "imblearn", "openai", "numba"}
SCREENS = sorted([*(ROOT / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")])
MODULES = sorted(path for path in ENGINE.rglob("*.py") if "migrations" not in path.parts)


def room(path: Path) -> str:
    """The room a file lives in: its folder under engine, or its own name."""
    parts = path.relative_to(ENGINE).parts
    return parts[0] if len(parts) > 1 else path.stem


def arguments(made: ast.FunctionDef) -> set[str]:
    """The names of what a function is given."""
    return {argument.arg for argument in (*made.args.args, *made.args.kwonlyargs)}


def asks(node: ast.AST) -> bool:
    """Whether this asks for a permission, or hands the actor to something else than a record."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    handed = any(isinstance(one, ast.Name) and one.id == "actor" for one in given)
    return called in ("allow", "may") or (handed and called not in RECORDS)


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imports(path: Path, top_level_only: bool = False) -> tuple[str, ...]:
    """Every module a file imports, dotted; with top_level_only those that importing the file brings in."""
    return tuple(_imports(path, top_level_only))


def _imports(path: Path, top_level_only: bool) -> Iterator[str]:
    tree = parsed(path)
    for node in _outside_functions(tree) if top_level_only else _at_run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [alias.name for alias in node.names]
            yield from (f"engine.{name}" for name in names) if node.module == "engine" else (node.module,)


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    waiting = [tree]
    while waiting:
        found = [node for node in ast.iter_child_nodes(waiting.pop()) if not _only_for_types(node)]
        waiting += found
        yield from found


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or _only_for_types(node):
            continue
        yield node
        yield from _outside_functions(node)


def bodies(path: Path) -> Iterator[tuple[str, int]]:
    """Each function's name and the lines of its body without the docstring."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            yield node.name, (body[-1].end_lineno - body[0].lineno + 1) if body else 0


# ------------------------------------------------------------------------------------- what holds of every module

def imports_only_to_the_left(path: Path) -> None:
    here = ORDER.index(room(path))
    for module in imports(path):
        if module.startswith("engine."):
            there = module.split(".")[1]
            assert there in ORDER, f"{path} imports {module}, which has no place in the order of rooms."
            assert ORDER.index(there) <= here, f"{path} imports {module}, a room to its right."


def knows_no_screen(path: Path) -> None:
    """But for the command line, which stands beside the screens and draws its report with their charts."""
    drawn = {"ui.report"} if path == ENGINE / "__main__.py" else set()
    assert not SCREEN & {module.split(".")[0] for module in imports(path) if module not in drawn}, path
    assert not SCREEN & {module.split(".")[0] for module in imports(path, top_level_only=True)}, path


def imports_heavy_libraries_only_where_needed(path: Path) -> None:
    kernels = {"numba"} if path.name.startswith("tree") or "kernel" in path.name else set()
    assert not (HEAVY - kernels) & {module.split(".")[0] for module in imports(path, top_level_only=True)}, path


def asks_what_an_actor_may_or_hands_the_actor_on(path: Path) -> None:
    """Every public function that is given somebody asks `allow` or `may`, or calls what does."""
    if room(path) in KEEPERS:
        return
    for made in ast.walk(parsed(path)):
        if isinstance(made, ast.FunctionDef) and not made.name.startswith("_") and "actor" in arguments(made):
            assert any(map(asks, ast.walk(made))), f"{path}: {made.name} never asks what its actor may."


def says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(parsed(path)), f"{path} has no docstring."


def keeps_its_size(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 450, f"{path} has {lines} lines: it wants to be two modules."
    for name, length in bodies(path):
        assert length <= 45, f"{path}: {name} has {length} lines: it wants to be two functions."


def has_no_clock_and_no_chance_of_its_own(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    allowed = {"__main__.py", "progress.py", "jobs.py", "files.py"}
    if path.name not in allowed:
        found = re.findall(r"datetime\.now|utcnow|time\.time\(|date\.today|Timestamp\.now", text)
        assert not found, f"{path} reads the clock: {found}"
    assert not re.findall(r"np\.random\.(?!default_rng|Generator|SeedSequence|RandomState\b)\w+\(", text), path
    assert not re.findall(r"default_rng\(\)", text), path


@pytest.mark.parametrize("holds", [
    imports_only_to_the_left, knows_no_screen, imports_heavy_libraries_only_where_needed,
    asks_what_an_actor_may_or_hands_the_actor_on, says_what_it_is, keeps_its_size,
    has_no_clock_and_no_chance_of_its_own,
], ids=lambda holds: holds.__name__)
def test_every_module(holds: Callable[[Path], None]) -> None:
    assert len(MODULES) > 200
    for path in MODULES:
        holds(path)


# ------------------------------------------------------------------------------------- what holds of every screen

def keeps_to_its_side(path: Path) -> None:
    """Pages choose and show; what computes is in the engine, what draws in ui/charts, which knows no Streamlit."""
    roots = {module.split(".")[0] for module in imports(path)}
    if path.parent.name == "pages":
        assert roots <= {"__future__", "collections", "dataclasses", "typing", "streamlit", "engine", "ui"}, path
    if path.parent.name == "charts":
        assert "streamlit" not in roots, path
    assert "pages" not in roots, path


def says_what_it_is_and_keeps_its_size(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(parsed(path)), f"{path} has no docstring."
    assert len(text.splitlines()) <= (120 if path.parent.name == "pages" else 450), f"{path} is too long."
    for name, length in bodies(path):
        assert length <= 45, f"{path}: {name} has {length} lines: it wants to be two functions."


def writes_no_html_of_its_own(path: Path) -> None:
    assert "unsafe_allow_html" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("holds", [
    keeps_to_its_side, says_what_it_is_and_keeps_its_size, writes_no_html_of_its_own,
], ids=lambda holds: holds.__name__)
def test_every_screen(holds: Callable[[Path], None]) -> None:
    assert len(SCREENS) > 60
    for path in SCREENS:
        holds(path)


def test_functions_are_small_on_the_whole() -> None:
    lengths = sorted(length for path in MODULES for _, length in bodies(path))
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[int(len(lengths) * 0.9)] <= 25


def test_rooms_have_no_cycles() -> None:
    edges = {(room(path), module.split(".")[1]) for path in MODULES for module in imports(path)
             if module.startswith("engine.")}
    assert not [(a, b) for a, b in edges if a != b and (b, a) in edges]


def test_front_door_is_sorted_small_and_complete() -> None:
    assert list(engine.__all__) == sorted(engine.__all__, key=lambda name: (not name.isupper(), name))
    assert len(engine.__all__) <= 60
    for name in engine.__all__:
        assert hasattr(engine, name), f"engine.{name} is promised but missing."


def test_opening_the_front_door_is_light() -> None:
    """Neither to look in nor to list what there is takes a library that brings half a second with it."""
    for question in ("import engine", "from engine.__main__ import main; main(['datasets'])"):
        code = f"import sys; {question}; found = {SLOW | HEAVY | SCREEN} & {{*sys.modules}}; sys.exit(repr(found or 0))"
        result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.stderr.strip() == "0", result.stderr


def test_every_verb_of_the_door_is_in_its_room() -> None:
    at_the_door = [name for offers in engine.ROOMS.values() for name in offers]
    assert set(at_the_door) <= set(engine.__all__) and len(set(at_the_door)) == len(at_the_door)
    with pytest.raises(AttributeError, match="'nonsense'"):
        _ = engine.nonsense


def test_every_column_has_its_words() -> None:
    for table in schema.TABLES:
        for column in table:
            assert column.meaning, f"{table.name}.{column.name} says not what it means."
            if column.kind == "number" and "sentiment" not in column.meaning and column.name != "quantity":
                assert column.unit, f"{table.name}.{column.name} has no unit."


def test_readme_dictionary_equals_the_schema() -> None:
    from engine.__main__ import dictionary_markdown

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert dictionary_markdown() in readme, "Run `python -m engine dictionary` and put its output into README.md."


def test_no_path_of_one_machine_and_nothing_left_undone() -> None:
    for path in [*MODULES, *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/*.py")]:
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"[\"'](/work|/root|/home/\w+)/", text), f"{path} names a path of one machine."
        if path.name != "test_house.py":
            assert not re.findall(r"TODO|FIXME|NotImplementedError", text), f"{path} leaves something undone."

"""The rules of the house as functions from a parsed file to complaints. Each is itself tested on a bad snippet."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[2] / "src" / "understudy"
LONGEST_FILE = 400
LONGEST_FUNCTION = 60

# Rooms by floor; a file imports from its own room, from the root modules and from lower floors only.
FLOORS = (
    ("conversations",),
    ("measures", "models"),
    ("users",),
    ("scenarios", "rollouts"),
    ("transfer", "traits", "training"),
    ("claims", "reports"),
    ("web", "integrations"),
    ("testing",),
    ("cli",),
)
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
FLOOR["sample"] = FLOOR["conversations"] + 1
ROOT_MODULES = {"errors", "seeds", "_require"}
# Of `models`, a measure may know the interface of the judge and nothing else.
JUDGE = {"understudy.models.judge", "understudy.models.protocol"}

HEAVY = {
    "polars", "sklearn", "matplotlib", "jinja2", "rich", "typer", "aiohttp", "torch", "scipy", "transformers",
    "sentence_transformers", "datasets", "starlette", "uvicorn", "ray", "trl", "peft", "pandas", "zstandard",
}  # fmt: skip
SPEAKING_ROOMS = {"cli", "web"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
SEEDED = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64", "Philox"}


class File(NamedTuple):
    """A parsed source file. `room` is empty for a root module."""

    module: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        parts = self.module.split(".")
        return parts[1] if len(parts) > 1 and parts[1] not in ROOT_MODULES | {"__main__"} else ""


class Complaint(NamedTuple):
    """What is wrong and where."""

    module: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.what}"


def parse(text: str, module: str) -> File:
    """A file from its text."""
    return File(module, text, ast.parse(text))


def house() -> Iterator[File]:
    """Every file of the package."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        yield parse(path.read_text("utf-8"), module)


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def _at_import(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported: not function bodies, not under TYPE_CHECKING."""
    stack: list[ast.stmt] = list(tree.body)
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            stack.extend(node.orelse)
            continue
        stack.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def one_way_imports(file: File) -> Iterator[Complaint]:
    """A room imports from itself, the root modules and lower floors; never relatively, never upward."""
    for line, name in _imports(file.tree):
        if name.startswith("."):
            yield Complaint(file.module, line, "relative import")
            continue
        parts = name.split(".")
        if parts[0] != "understudy" or len(parts) < 2 or parts[1] in ROOT_MODULES:
            continue
        target = parts[1]
        if target not in FLOOR:
            if target not in ("__version__", "__all__") and (SOURCE / target).exists():
                yield Complaint(file.module, line, f"imports {target}, a room without a floor")
            continue
        if file.module in ("understudy", "understudy.__main__"):
            continue
        if file.room not in FLOOR:
            yield Complaint(file.module, line, f"a root module imports the room {target}")
        elif target != file.room and FLOOR[target] >= FLOOR[file.room]:
            judged = file.room == "measures" and any(name == j or name.startswith(j + ".") for j in JUDGE)
            if not judged:
                yield Complaint(file.module, line, f"{file.room} imports {target}, which stands above it")


def sizes(file: File) -> Iterator[Complaint]:
    """Files and functions that outgrow one concept."""
    lines = file.text.count("\n")
    if lines > LONGEST_FILE:
        yield Complaint(file.module, lines, f"{lines} lines, more than {LONGEST_FILE}")
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
            if length > LONGEST_FUNCTION:
                yield Complaint(file.module, node.lineno, f"{node.name} has {length} lines of code")


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """A docstring is the contract, not the code: its length is not held against the function."""
    if ast.get_docstring(node) is None:
        return 0
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1


def no_hidden_code(file: File) -> Iterator[Complaint]:
    """No pickle, eval, exec, torch.load, and no array file that may hold objects."""
    for line, name in _imports(file.tree):
        if name.split(".")[0] in FORBIDDEN_MODULES:
            yield Complaint(file.module, line, f"imports {name}")
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in ("eval", "exec", "torch.load", "yaml.load"):
            yield Complaint(file.module, node.lineno, f"calls {called}")
        for keyword in node.keywords:
            if keyword.arg == "allow_pickle" and not _is_constant(keyword.value, False):
                yield Complaint(file.module, node.lineno, f"{called} may unpickle")


def _is_constant(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def no_global_randomness(file: File) -> Iterator[Complaint]:
    """Every draw comes from a generator that somebody seeded."""
    for line, name in _imports(file.tree):
        if name == "random" or name.startswith("random."):
            yield Complaint(file.module, line, f"imports {name}")
        head, _, tail = name.partition("numpy.random.")
        if not head and tail and tail.split(".")[0] not in SEEDED:
            yield Complaint(file.module, line, f"imports {name}")
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.startswith(("np.random.", "numpy.random.")) and _third_name(called) not in SEEDED:
                yield Complaint(file.module, node.lineno, f"calls {called}")
            if called.endswith("default_rng") and not node.args and not node.keywords:
                yield Complaint(file.module, node.lineno, "default_rng() without a seed")
            # A secret name for a temporary file is no draw; anything else from there could not be repeated.
            if called in ("torch.manual_seed", "torch.seed") or (
                called.startswith("secrets.") and called != "secrets.token_hex"
            ):
                yield Complaint(file.module, node.lineno, f"calls {called}")


def _third_name(called: str) -> str:
    return called.split(".")[2].partition("(")[0]


def no_swallowed_errors(file: File) -> Iterator[Complaint]:
    """A broad `except` re-raises or records the fault; it never passes in silence and never returns a number."""
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.ExceptHandler) or not _is_broad(node.type):
            continue
        inside = [child for statement in node.body for child in ast.walk(statement)]
        raises = any(isinstance(child, ast.Raise) for child in inside)
        recorded = node.name is not None and any(
            isinstance(child, ast.Name) and child.id == node.name for child in inside
        )
        if not (raises or recorded):
            yield Complaint(file.module, node.lineno, "a broad except that neither re-raises nor records the fault")
        for child in inside:
            value = child.value if isinstance(child, ast.Return | ast.Assign) else None
            if isinstance(value, ast.UnaryOp):
                value = value.operand
            number = isinstance(value, ast.Constant) and isinstance(value.value, int | float)
            if number and not isinstance(value.value, bool):  # type: ignore[union-attr]
                yield Complaint(file.module, child.lineno, "a broad except that turns a failure into a number")


def _is_broad(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(ast.unparse(k) in ("Exception", "BaseException") for k in kinds)


def light_imports(file: File) -> Iterator[Complaint]:
    """Heavy libraries come in inside functions; typer and rich may stand atop cli, scipy.stats atop measures."""
    for node in _at_import(file.tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for line, name in _imports(ast.Module([node], [])):
            top = name.split(".")[0]
            if top not in HEAVY:
                continue
            if file.room == "cli" and top in ("typer", "rich"):
                continue
            if file.room == "measures" and name in ("scipy", "scipy.stats", "scipy.optimize"):
                continue
            yield Complaint(file.module, line, f"imports {name} at module top")


def quiet_rooms(file: File) -> Iterator[Complaint]:
    """Only cli and web print, read the environment or configure logging."""
    if file.room in SPEAKING_ROOMS or file.module == "understudy.__main__":
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("print", "input", "logging.basicConfig", "logging.disable", "os.getenv", "breakpoint"):
                yield Complaint(file.module, node.lineno, f"calls {called}")
        if isinstance(node, ast.Attribute) and ast.unparse(node) in (
            "os.environ", "os.environb", "sys.stdout", "sys.stderr", "logging.root",
        ):  # fmt: skip
            yield Complaint(file.module, node.lineno, f"uses {ast.unparse(node)}")


def documented(file: File) -> Iterator[Complaint]:
    """Every module, and every public function and class at module level, says what it is for."""
    if file.tree.body and ast.get_docstring(file.tree) is None and file.text.strip():
        yield Complaint(file.module, 1, "no module docstring")
    for node in file.tree.body:
        public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if not public or node.name.startswith("_"):  # type: ignore[union-attr]
            continue
        overload = any("overload" in ast.unparse(d) for d in node.decorator_list)  # type: ignore[union-attr]
        if ast.get_docstring(node) is None and not overload:  # type: ignore[arg-type]
            yield Complaint(file.module, node.lineno, f"{node.name} has no docstring")  # type: ignore[union-attr]


def contracts(file: File) -> Iterator[Complaint]:
    """A measure's docstring carries a printed example or a formula, and a source."""
    for node in file.tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        decorators = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
        if not any(ast.unparse(d).split(".")[-1] == "measure" for d in decorators):
            continue
        text = ast.get_docstring(node) or ""
        if ">>>" not in text and "`" not in text:
            yield Complaint(file.module, node.lineno, f"measure {node.name}: neither an example nor a formula")
        words = ("doi:", "arxiv", "source", "http", "isbn")
        if not any(word in text.lower() for word in words):
            yield Complaint(file.module, node.lineno, f"measure {node.name}: no source")


RULES = (
    one_way_imports, sizes, no_hidden_code, no_global_randomness, no_swallowed_errors, light_imports, quiet_rooms,
    documented, contracts,
)  # fmt: skip

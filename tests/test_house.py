"""The rules of the house (CONTRIBUTING.md), read off the source by ast: nothing of ours is run but the command line.

A rule about something that does not stand yet passes; it is strict from the day that thing appears.
"""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
REFERENCE = ROOT / "docs" / "reference"

# Who may import whom. The left side is a package or module below `orgstead` (of `wire`, one wire); it may import
# itself, and what is on the right with everything below it. What stands on no left side is not part of the design.
# `wire.definitions` is no wire: it is the metadata vocabulary that OData and SOAP have in common. Nor is
# `wire.odatav4`: it is what the two OData services have in common.
EVERYTHING = frozenset({""})
ARROWS: Mapping[str, frozenset[str]] = {
    "errors": frozenset(),
    "config": frozenset({"errors"}),
    "model": frozenset({"errors"}),
    "languages": frozenset({"errors", "model"}),
    "wire": frozenset(),
    "wire.definitions": frozenset({"errors", "model"}),
    "wire.crm": frozenset({"errors", "model", "languages"}),
    "wire.finops": frozenset({"errors", "model", "languages", "wire.odatav4"}),
    "wire.mcp": frozenset({"errors", "model", "languages"}),
    "wire.odata": frozenset({"errors", "model", "languages", "wire.definitions", "wire.odatav4"}),
    "wire.odatav4": frozenset({"errors", "model", "languages"}),
    "wire.soap": frozenset({"errors", "model", "languages", "wire.definitions"}),
    "wire.webhook": frozenset({"errors", "model", "languages"}),
    "engine": frozenset({"errors", "config", "model"}),
    "store": frozenset({"errors", "config", "model", "engine.ports"}),
    "identity": frozenset({"errors", "model"}),
    "solutions": frozenset({"errors", "config", "model"}),
    "extensions": frozenset({"errors", "model", "languages", "engine"}),
    "server": frozenset({"errors", "config", "model", "languages", "wire", "engine", "identity"}),
    "client": frozenset(),
    # On the client alone: the same against any Dynamics 365.
    "actions": frozenset({"client"}),
    "actions.commands": frozenset({"actions", "client", "terminal"}),
    "terminal": frozenset({"client", "collection", "mirror", "transfer"}),
    "transfer": frozenset({"client"}),
    "mirror": frozenset({"client", "transfer"}),
    "collection": frozenset({"client"}),
    "sync": frozenset({"errors", "model", "client"}),
    # Speaks to a running server over HTTP: what tests import needs nothing of the server's.
    "testing": frozenset({"errors"}),
    "ui": frozenset({"client"}),
    "founding": frozenset({"errors", "config", "model", "engine", "identity", "solutions"}),
    "filling": frozenset({"errors", "model", "engine", "solutions"}),
    "collecting": frozenset({"collection", "config", "errors", "identity", "model", "server", "wire"}),
    "app": EVERYTHING,
    "cli": EVERYTHING,
    "commands": EVERYTHING,
    "__main__": frozenset({"cli"}),
}
# Only these may import the composition root, which EVERYTHING on the right holds.
MAY_IMPORT_APP = frozenset({"app", "commands"})

# A module is near 150 lines. Over 400 it needs a reason here; over 700 no reason is good enough.
LINES_WITHOUT_REASON, LINES_AT_MOST = 400, 700
LONG_FOR_A_REASON: Mapping[str, str] = {
    "wire.definitions.names": "a table of names, not code",
}

# Exported data classes of the model and the engine are frozen, slotted and keyword-only, but for these (or for those
# of these modules): what they lack, and why.
DATACLASS_EXCEPTIONS: Mapping[str, tuple[frozenset[str], str]] = {
    "engine.hooks.Change": (frozenset({"frozen"}), "hooks exist to change it"),
    "engine.steps.Passage": (frozenset({"frozen"}), "steps exist to change it"),
    "engine.scope.State": (frozenset({"frozen", "kw_only"}), "gathers parameters while a plan is made"),
    "engine.registry.Registry": (frozenset({"kw_only"}), "it has one field"),
    "model.dataentities.DataEntity": (frozenset({"slots"}), "keeps its cached properties"),
    "model.dataentities.EntityIndex": (frozenset({"slots"}), "keeps its cached properties"),
    "model.plan": (frozenset({"kw_only"}), "terms of a tree, which read better without names"),
    "model.query": (frozenset({"kw_only"}), "terms of a tree, which read better without names"),
    "model.segments": (frozenset({"kw_only"}), "terms of a tree, which read better without names"),
    "model.record.Page": (frozenset({"frozen"}), "is filled while its rows are read"),
    "model.record.Pending": (frozenset({"kw_only"}), "it has one field"),
    "model.record.Ref": (frozenset({"kw_only"}), "a table and a key, always in this order"),
    "model.schema.Option": (frozenset({"kw_only"}), "a value and its label, always in this order"),
    "model.schema.Schema": (frozenset({"slots"}), "keeps its cached properties"),
    "model.schema.Table": (frozenset({"slots"}), "keeps its cached properties"),
}

# What needs the extra `mcp`; commands import it when somebody asks for it.
FOR_AGENTS = frozenset({"actions.mcp_server", "actions.mcp_http", "actions.mounted"})

# What `pip install orgstead` without extras brings, by the name that it is imported as.
BARE_IMPORTS = {"httpx2": "httpx2", "msgspec": "msgspec", "click": "click"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module of ours. ``name`` leaves out ``orgstead.``; the package's own ``__init__`` is the empty name."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


@cache
def modules() -> Mapping[str, Module]:
    found = {}
    for path in sorted((SOURCE / "orgstead").rglob("*.py")):
        parts = path.relative_to(SOURCE / "orgstead").with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        text = path.read_text("utf-8")
        found[name] = Module(name=name, path=path, text=text, tree=ast.parse(text, str(path)))
    return found


def own(name: str) -> str | None:
    """``orgstead.model.query`` without its first word, or None when it is not ours."""
    first, _, rest = name.partition(".")
    return rest if first == "orgstead" else None


def imported(module: Module, tree: ast.AST | None = None) -> Iterator[tuple[str, int]]:
    """The full names that a module imports, with their lines: those for type checking and inside functions too."""
    for node in ast.walk(tree or module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = ["orgstead", *filter(None, module.name.split("."))]
                parts = parts[: len(parts) - node.level + module.is_package]
                base = ".".join([*parts, *filter(None, [base])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if own(inner) in modules() else base), node.lineno


def own_imports(module: Module, tree: ast.AST | None = None) -> Iterator[tuple[str, int]]:
    for name, line in imported(module, tree):
        target = own(name)
        if target is not None:
            yield target, line


def below(name: str, package: str) -> bool:
    return package == "" or name == package or name.startswith(f"{package}.")


def home(name: str) -> str | None:
    """The left side of ARROWS that a module belongs to: the longest that fits."""
    return max((side for side in ARROWS if below(name, side)), key=len, default=None)


def report(faults: list[str], rule: str) -> None:
    assert not faults, "\n  ".join([rule, *sorted(faults)])


def where(module: Module, line: int) -> str:
    return f"{module.path.relative_to(ROOT)}:{line}"


# --- imports


def test_every_module_has_its_place_in_the_design() -> None:
    report([name for name in modules() if name and home(name) is None], "add to ARROWS, or move:")
    wires = [name for name in modules() if home(name) == "wire" and name != "wire"]
    report(wires, "a module of a wire lies in the package of that wire:")


def test_imports_follow_the_arrows() -> None:
    faults = []
    for module in modules().values():
        side = home(module.name) if module.name else ""
        if side is None:
            continue
        allowed = ARROWS.get(side, frozenset()) | ({side} if side else set())
        for target, line in own_imports(module):
            if target == "" or any(below(target, each) for each in allowed):
                continue
            faults.append(f"{where(module, line)} {module.name or 'orgstead'} → {target}")
    report(faults, "against the arrows:")


def test_nobody_imports_the_composition_root() -> None:
    faults = [
        f"{where(module, line)} {module.name} → {target}"
        for module in modules().values()
        for target, line in own_imports(module)
        if below(target, "app") and home(module.name) not in MAY_IMPORT_APP
    ]
    report(faults, "only the command line starts the application:")


def test_imports_make_no_cycle() -> None:
    graph = {
        module.name: {target for target, _ in own_imports(module) if target in modules()}
        for module in modules().values()
    }
    for name, targets in graph.items():
        assert name not in targets, f"{name} imports itself, or a name that is in no module of it"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("a cycle of imports: " + " ← ".join(error.args[1]))


def test_no_function_imports_a_module_of_ours() -> None:
    faults = {
        f"{where(module, line)} {target}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for target, line in own_imports(module, node)
    }
    report(list(faults), "imports in functions hide cycles:")


def test_the_client_and_the_actions_need_nothing_but_the_bare_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {re.split(r"[\[<>=!~ ]", requirement)[0] for requirement in project["dependencies"]}
    assert declared == set(BARE_IMPORTS.values())
    reached = [
        name
        for name in modules()
        if below(name, "client")
        or below(name, "terminal")
        or (below(name, "actions") and name not in FOR_AGENTS)
    ]
    for name in reached:  # grows while it is walked
        parents = {name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)}
        reached += ({target for target, _ in own_imports(modules()[name])} | parents) & set(modules()) - set(
            reached
        )
    faults = [
        f"{where(modules()[name], line)} {target}"
        for name in reached
        for target, line in imported(modules()[name], without_functions(modules()[name].tree))
        if own(target) is None and target.split(".")[0] not in sys.stdlib_module_names | BARE_IMPORTS.keys()
    ]
    report(faults, "the client or an action reaches a package that only an extra installs:")


def without_functions(tree: ast.Module) -> ast.Module:
    """What runs when the module is imported; a function may import an optional package."""

    class Leave(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None: ...
        def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None: ...

    rest = Leave().visit(deepcopy(tree))
    assert isinstance(rest, ast.Module)
    return rest


# --- modules and what they export


def test_modules_are_short() -> None:
    lines = {module.name: module.text.count("\n") for module in modules().values()}
    report([f"{name}: {count}" for name, count in lines.items() if count > LINES_AT_MOST], "too long:")
    long = {name for name, count in lines.items() if count > LINES_WITHOUT_REASON}
    report(
        [f"{name}: {lines[name]}" for name in long - LONG_FOR_A_REASON.keys()],
        "long without a listed reason:",
    )
    report(list(LONG_FOR_A_REASON.keys() - long), "no longer long; take it off the list:")


def exported(module: Module) -> list[str] | None:
    """The names in ``__all__``, or None when the module has none."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "__all__" for target in node.targets):
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def constants_then_classes_then_the_rest(name: str) -> tuple[int, str]:
    """The order that ruff's RUF022 gives to ``__all__``."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


def defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Import() | ast.ImportFrom():
                yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
            case ast.Assign():
                for target in node.targets:
                    yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If() | ast.Try():
                for _, value in ast.iter_fields(node):
                    if isinstance(value, list):
                        yield from defined([each for each in value if isinstance(each, ast.stmt)])


def test_what_a_module_exports_is_sorted_and_exists() -> None:
    faults = []
    for module in modules().values():
        names = exported(module)
        if names is None:
            continue
        if names != sorted(names, key=constants_then_classes_then_the_rest):
            faults.append(f"{module.name}: not sorted (constants, classes, the rest)")
        if len(names) != len(set(names)):
            faults.append(f"{module.name}: a name twice")
        children = {name.rpartition(".")[2] for name in modules() if name.rpartition(".")[0] == module.name}
        faults += [
            f"{module.name}: {name} is not there"
            for name in set(names) - set(defined(module.tree.body)) - children
        ]
    report(faults, "__all__ is wrong:")


def data_classes(module: Module) -> Iterator[tuple[ast.ClassDef, set[str]]]:
    """The exported data classes of a module, with the options that their decorator switches on."""
    names = exported(module)
    for node in module.tree.body:
        if not isinstance(node, ast.ClassDef) or (names is not None and node.name not in names):
            continue
        for decorator in node.decorator_list:
            called, options = (
                (decorator.func, decorator.keywords) if isinstance(decorator, ast.Call) else (decorator, [])
            )
            if ast.unparse(called) in {"dataclass", "dataclasses.dataclass"}:
                yield (
                    node,
                    {option.arg for option in options if option.arg and ast.unparse(option.value) == "True"},
                )


def test_data_classes_that_cross_the_stages_are_frozen_slotted_and_keyword_only() -> None:
    faults, used = [], set()
    for module in modules().values():
        if home(module.name) not in {"model", "engine"}:
            continue
        for node, options in data_classes(module):
            lacks = {"frozen", "slots", "kw_only"} - options
            for exception in (module.name, f"{module.name}.{node.name}"):
                if exception in DATACLASS_EXCEPTIONS and lacks & DATACLASS_EXCEPTIONS[exception][0]:
                    used.add(exception)
                    lacks -= DATACLASS_EXCEPTIONS[exception][0]
            if lacks:
                faults.append(f"{where(module, node.lineno)} {node.name} lacks {', '.join(sorted(lacks))}")
    report(faults, "a value between stages can be changed or mistaken:")
    report(list(DATACLASS_EXCEPTIONS.keys() - used), "needs no exception any more; take it off the list:")


# --- text

SQL = re.compile(
    r"\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s|with\s+\S+\s+as\s*\("
    r"|(create|alter|drop)\s+(unique\s+)?(table|index|view|trigger|database)\s)",
    re.IGNORECASE | re.DOTALL,
)


def built_text(node: ast.AST) -> str:
    """The literal text of an f-string with values in it, or of the left side of ``+`` and ``%``; else nothing."""
    match node:
        case ast.JoinedStr(values=parts) if any(isinstance(part, ast.FormattedValue) for part in parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in parts)
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Add() | ast.Mod()):
            return text
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return text
    return ""


def test_only_the_store_builds_sql_text() -> None:
    faults = [
        where(module, node.lineno)
        for module in modules().values()
        if home(module.name) != "store"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.expr) and SQL.match(built_text(node))
    ]
    report(faults, "SQL is made in store/, with parameters:")


# Spelled in pieces, so that this file is not among those that it finds.
REGISTRY_HOSTS = re.compile(
    "|".join(
        re.escape(name + end)
        for name, end in (
            ("pypi", ".org"), ("pythonhosted", ".org"), ("npmjs", ".org"), ("npmjs", ".com"), ("deb.debian", ".org"),
            ("security.debian", ".org"), ("yarnpkg", ".com"), ("crates", ".io"), ("proxy.golang", ".org"),
        )
    )
)  # fmt: skip
MACHINE_PATHS = re.compile(r"(?<![\w.:/~}-])/(?:work|root|tmp|home)/\w")


def tracked_files() -> list[Path]:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_no_file_names_a_package_registry_or_a_path_of_one_machine() -> None:
    faults = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", "ignore")
        for pattern in (REGISTRY_HOSTS, MACHINE_PATHS):
            for hit in pattern.finditer(text):
                line = text.count("\n", 0, hit.start()) + 1
                faults.append(f"{path.relative_to(ROOT)}:{line} {hit.group()}")
    report(faults, "true on one machine only:")


# --- docs


def documented() -> str | None:
    """All words of docs/, or None as long as there is no reference."""
    if not REFERENCE.is_dir():
        return None
    return "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "docs").rglob("*.md")))


def undocumented(names: set[str]) -> list[str]:
    docs = documented()
    if docs is None:
        return []
    return [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", docs)]


def test_docs_name_every_setting() -> None:
    if "config" not in modules():
        return
    fields = {
        f"ORGSTEAD_{field.target.id.upper()}"
        for node in modules()["config"].tree.body
        if isinstance(node, ast.ClassDef) and node.name == "Config"
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if not field.target.id.startswith(("_", "model_config"))
    }
    assert fields, "config.py has no class Config with fields"
    report(undocumented(fields), "settings that docs/ does not name:")


def commands(command: click.Command, path: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")
    elif not command.hidden:
        yield path


def test_docs_name_every_command() -> None:
    if "cli" not in modules():
        return
    main = importlib.import_module("orgstead.cli").main
    assert isinstance(main, click.Command), "orgstead.cli.main is a click command"
    report(undocumented(set(commands(main, "orgstead"))), "commands that docs/ does not name:")


def test_docs_name_every_fault() -> None:
    table = SOURCE / "orgstead" / "errors.toml"
    if table.exists():
        report(undocumented(set(tomllib.loads(table.read_text("utf-8")))), "faults that docs/ does not name:")


def engine_calls(function: str) -> Iterator[tuple[Module, ast.Call]]:
    for module in modules().values():
        if below(module.name, "engine"):
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == function:
                    yield module, node


def test_docs_name_every_message() -> None:
    names: set[str] = set()
    faults = []
    if "model.messages" in modules():
        for node in modules()["model.messages"].tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "Message":
                names |= set(ast.unparse(node.value).split(" | "))
    for module, call in engine_calls("handles"):
        match call.args:
            case [ast.Constant(value=str(name))]:
                names.add(name)
            case _:
                faults.append(where(module, call.lineno))
    report(faults, "a message is registered under a name that can be read here:")
    report(undocumented(names), "messages that docs/ does not name:")


def test_docs_name_every_hook() -> None:
    names = {
        node.name
        for module in modules().values()
        for node in ast.walk(module.tree)
        if below(module.name, "engine") and isinstance(node, ast.FunctionDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "hook"
    }
    report(undocumented(names), "hooks that docs/ does not name:")

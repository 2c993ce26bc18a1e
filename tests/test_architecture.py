"""Rules about the code itself: who may import whom, how large things are, what is never written down."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bench", "buildah_plugin", "cirfile", "devtools", "docs", "frontend", "shim")
GENERATED = ("frontend/proto/",)
#: Code of others that is carried along unchanged.
CARRIED = ("shim/vendor/", "shim/_vendor/")

LONGEST_MODULE = 350
LONGEST_FUNCTION = 50

#: Modules of the standard library that touch the world.
WORLD = frozenset(
    (
        "asyncio", "ctypes", "fcntl", "glob", "http", "io", "multiprocessing", "os", "pathlib", "platform",
        "random", "secrets", "select", "shutil", "signal", "socket", "ssl", "subprocess", "sys", "tempfile",
        "threading", "time", "urllib.request", "uuid",
    )
)  # fmt: skip

#: Parts of `cirfile` that are carried into every image; they import the standard library and each other.
CARRIED_INTO_IMAGES = ("cirfile", "cirfile.codec", "cirfile.layout", "cirfile.lock", "cirfile.manifest")
IMAGE_VALUES = (*CARRIED_INTO_IMAGES, "cirfile.imageconfig")
#: The edges of `cirfile`, which do what the rest must not.
EDGES = ("cirfile.cli", "cirfile.hold", "cirfile.resolver")


@cache
def files() -> list[Path]:
    """Every module that a person wrote."""
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return sorted(
        path
        for path in found
        if not str(path.relative_to(ROOT)).startswith((*GENERATED, *CARRIED, "bench/scenarios/"))
    )


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> frozenset[str]:
    return frozenset(module_name(path) for path in files())


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module imported anywhere in a file (those for types only too), and the line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide what is imported"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from ((name, node.lineno) for name in sorted(names & modules()) or [str(node.module)])


def below(name: str, *parents: str) -> bool:
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def ours(name: str) -> bool:
    return name.partition(".")[0] in (*PACKAGES, "tests")


def standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


#: Pure modules beyond the values that the shim carries as well.
SHIM_ALSO = (
    "cirfile.demands",
    "cirfile.hierarchy",
    "cirfile.hold",
    "cirfile.hostenv",
    "cirfile.markers",
    "cirfile.members",
    "cirfile.promise",
    "cirfile.purl",
    "cirfile.pylock",
    "cirfile.wheels",
)


def forbidden(importer: str, imported: str) -> str:
    """Why ``importer`` must not import ``imported``; empty if it may."""
    if below(imported, "tests", "unittest.mock"):
        return "nothing imports tests, and no test needs mocks"
    if importer in CARRIED_INTO_IMAGES and not (standard(imported) or imported in IMAGE_VALUES):
        return "this module is carried into images, without the rest"
    check = TABLE.get(importer.partition(".")[0])
    return check(importer, imported) if check else ""


def _forbidden_to_shim(importer: str, imported: str) -> str:
    if ours(imported) and not below(imported, "shim") and imported not in (*IMAGE_VALUES, *SHIM_ALSO):
        return "the shim carries only values and their codec"
    if not ours(imported) and not standard(imported) and not below(imported, "packaging"):
        return "the shim has no third-party code but `packaging`"
    return ""


def _forbidden_to_frontend(importer: str, imported: str) -> str:
    if below(imported, "shim", "buildah_plugin", "cirfile.cli", "devtools", "bench"):
        return "the frontend knows the language and nothing else of ours"
    if below(importer, "frontend.llb", "frontend.gateway") and below(imported, "cirfile"):
        return "LLB and the protocol know no Cirfile"
    return ""


def _forbidden_to_twin(importer: str, imported: str) -> str:
    if below(imported, "frontend", "shim", "devtools", "bench"):
        return "the twin knows the language only"
    if below(imported, "subprocess") and importer != "buildah_plugin.process":
        return "one module of the twin starts programs"
    if not ours(imported) and not standard(imported):
        return "the twin needs the standard library and the language"
    return ""


#: Measures one part by itself, against its peers: there is no command line for that.
PART_BENCHMARKS = ("bench.assembly",)


def _forbidden_to_bench(importer: str, imported: str) -> str:
    if below(importer, *PART_BENCHMARKS):
        return ""
    wrong = below(imported, *set(PACKAGES) - {"bench", "devtools"})
    return "benchmarks use command lines only" if wrong else ""


def _forbidden_to_language(importer: str, imported: str) -> str:
    if ours(imported) and not below(imported, "cirfile"):
        return "the language knows no builder"
    if below(importer, *EDGES):
        return ""
    if below(imported, *EDGES):
        return "the core does not know its edges"
    if below(imported, *WORLD):
        return "the core reads and writes nothing"
    if not ours(imported) and not standard(imported) and not below(imported, "packaging"):
        return "the core has no dependency but `packaging`"
    return _forbidden_inside_language(importer, imported)


def _forbidden_inside_language(importer: str, imported: str) -> str:
    if below(importer, "cirfile.rules") and importer != "cirfile.rules" and below(imported, "cirfile.rules"):
        return "rules do not know each other"
    if below(importer, "cirfile.grammar") and below(imported, "cirfile.planning", "cirfile.planner"):
        return "what is written does not depend on what it means"
    return ""


#: Who may import whom, by package.
TABLE = {
    "bench": _forbidden_to_bench,
    "buildah_plugin": _forbidden_to_twin,
    "cirfile": _forbidden_to_language,
    "frontend": _forbidden_to_frontend,
    "shim": _forbidden_to_shim,
}


def test_imports() -> None:
    """Imports go one way; the message names file, line and reason."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: imports {imported}: {reason}"
        for path in files()
        for imported, line in imports(path)
        if (reason := forbidden(module_name(path), imported))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("cirfile.parser", "os"),
        ("cirfile.parser", "urllib.request"),
        ("cirfile.parser", "frontend.build"),
        ("cirfile.codec", "cirfile.parser"),
        ("cirfile.planner", "cirfile.cli.build"),
        ("cirfile.rules.cir001_interpreter_path", "cirfile.rules.cir002_shell_form"),
        ("cirfile.planner", "grpc"),
        ("shim.launch", "cirfile.parser"),
        ("shim.launch", "requests"),
        ("frontend.lower", "shim.store"),
        ("frontend.llb.ops", "cirfile.plan"),
        ("buildah_plugin.steps", "frontend.lower"),
        ("buildah_plugin.tools", "subprocess"),
    ],
)
def test_the_table_forbids(importer: str, imported: str) -> None:
    assert forbidden(importer, imported)


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("cirfile.parser", "urllib.parse"),
        ("cirfile.cli.build", "subprocess"),
        ("cirfile.ecosystems.pypi", "packaging.requirements"),
        ("shim.launch", "os"),
        ("shim.launch", "cirfile.codec"),
        ("frontend.lower", "cirfile.plan"),
        ("frontend.build", "grpc"),
        ("buildah_plugin.build", "cirfile.planner"),
        ("buildah_plugin.engine", "cirfile.cli.host"),
        ("buildah_plugin.process", "subprocess"),
    ],
)
def test_the_table_allows(importer: str, imported: str) -> None:
    assert not forbidden(importer, imported)


def test_the_core_never_touches_the_world() -> None:
    """Not through builtins either: no file is opened and nothing printed."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: calls {node.func.id}"
        for path in files()
        if below(module_name(path), "cirfile") and not below(module_name(path), *EDGES)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in ("open", "print", "input", "exec", "eval", "breakpoint", "__import__")
    ]
    assert not wrong, "\n".join(wrong)


def test_package_files_that_must_import_nothing() -> None:
    """`cirfile/__init__.py` imports nothing, so that a part of the package can be carried alone."""
    assert [name for name, _ in imports(ROOT / "cirfile" / "__init__.py") if name != "__future__"] == []


def test_cheap_start() -> None:
    """Parsing and planning an ordinary Cirfile loads neither `packaging` nor other slow modules."""
    program = r"""
import sys
from cirfile import parser, planner, request, source
text = 'FROM python:3.11\nREQUIRE pypi numpy>=2 pandas[excel]\nCOPY . /app\nCMD ["python"]\n'
planner.plan(parser.parse(source.Source("Cirfile", text)), request.Request())
slow = "packaging urllib.parse ipaddress tomllib hypothesis subprocess socket ssl".split()
print([name for name in slow if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_module_sizes() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} has {size} lines; split it by feature"
        for path in files()
        if (size := len(path.read_text().splitlines())) > LONGEST_MODULE
    ]
    assert not wrong, "\n".join(wrong)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = function.body
    first = body[1] if ast.get_docstring(function) and len(body) > 1 else body[0]
    return (function.end_lineno or first.lineno) - first.lineno + 1


def test_function_sizes() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{function.lineno}: {function.name} has {size} lines"
        for path in files()
        for function in functions(path)
        if (size := length(function)) > LONGEST_FUNCTION
    ]
    assert not wrong, "\n".join(wrong)


def test_docstrings() -> None:
    """Every module and every public function, method and class says what it is."""
    wrong: list[str] = []
    for path in files():
        place = path.relative_to(ROOT)
        if not ast.get_docstring(tree(path)):
            wrong.append(f"{place} has no docstring")
        owners: list[ast.Module | ast.ClassDef] = [tree(path)]
        owners += [node for node in tree(path).body if isinstance(node, ast.ClassDef)]
        public = [
            node
            for owner in owners
            if not getattr(owner, "name", "").startswith("_")
            for node in owner.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
        wrong += [
            f"{place}:{node.lineno}: {node.name} has no docstring"
            for node in public
            if not node.name.startswith("_") and not ast.get_docstring(node)
        ]
    assert not wrong, "\n".join(wrong)


#: Hosts of package registries are the business of their clients; this machine's paths are nobody's. The parts
#: are joined here so that this file does not hold what it looks for.
NEVER = (
    "pypi" + r"\.org", "python" + r"hosted\.org", r"deb\.debian" + r"\.org", r"snapshot\.debian" + r"\.org",
    r"cran\.r-project" + r"\.org", r"cloud\.r-project" + r"\.org", r"registry\.npmjs" + r"\.org",
    r"registry-1\.docker" + r"\.io", r"(?<![\w.])/work" + r"/(?:main|shared)\b",
)  # fmt: skip
_TEXT = (".py", ".md", ".toml", ".txt", ".json", ".sh", ".cfg", ".yaml", ".yml", "", ".proto", ".c")


def tracked() -> list[Path]:
    """Files under version control, or all where there is no git."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = done.stdout.split("\0") if done.returncode == 0 else [str(p) for p in ROOT.rglob("*")]
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_what_is_never_written_down() -> None:
    """No package registry is named, and no path of the machine somebody developed on."""
    pattern = re.compile("|".join(NEVER))
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in tracked()
        if path.suffix in _TEXT and path.name != "LICENSE"
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if (match := pattern.search(line))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_mocks() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if any(below(name, "unittest.mock", "mock", "pytest_mock") for name, _ in imports(path))
    ]
    assert not wrong, "these tests use mocks instead of real things: " + ", ".join(wrong)


def test_every_rule_has_file_page_and_place_in_the_list() -> None:
    """Code, file name, page and position agree, and nothing is left over."""
    from cirfile.rules import RULES

    modules = sorted(path.stem for path in (ROOT / "cirfile" / "rules").glob("cir*.py"))
    assert modules == [f"{rule.code.lower()}_{rule.name.replace('-', '_')}" for rule in RULES]
    pages = sorted(path.stem for path in (ROOT / "docs" / "rules").glob("CIR*.md"))
    assert pages == [rule.code for rule in RULES]


def test_every_instruction_has_a_stage_of_each_kind() -> None:
    """A keyword is parsed and applied, or refused: none is forgotten in one of the tables."""
    from cirfile import keywords, parser, planner

    words = sorted((*keywords.SHARED, *keywords.OWN))
    assert sorted(parser.GRAMMAR) == words
    assert sorted((*planner._APPLY, "FROM")) == words
    assert sorted(parser.REFUSALS) == sorted(keywords.REFUSED)

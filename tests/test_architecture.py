"""The direction of dependence, read from imports, includes and symbols."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "elman"
CORE = SOURCE / "core"

# -- Python -------------------------------------------------------------------------------------

#: The rooms from the ground up. A module imports from its own floor and from those below it.
FLOORS: list[set[str]] = [
    {"_core", "version"},
    {"errors", "config", "mixed_precision"},
    {"activations", "constraints", "initializers", "regularizers", "seeds"},
    {"mapped", "ragged", "ragged_file"},
    {"losses", "metrics", "optimizers", "data", "baselines"},
    {"layers", "plan", "graph", "checks"},
    {"batches", "progress", "callbacks", "diverged", "samples", "scores", "windows"},
    {"training", "streaming", "visited"},
    {"models"},
    {"spec"},
    {"explain", "saving"},
    {"elman"},
    {"demo", "bench", "interop"},
    {"learning"},
    {"cli"},
    {"__main__"},
]
#: Who may look upstairs, and only inside a function: a method that hands over to a visitor.
UPSTAIRS = {
    ("data", "explain"),
    ("data", "progress"),
    ("models", "saving"),
    ("visited", "explain"),
    ("visited", "saving"),
}
#: What a room may import from outside when it is imported itself. All else waits for its use.
OUTSIDE = {"numpy"}
OUTSIDE_OF = {"cli": {"cyclopts"}, "interop": {"sklearn", "torch"}, "saving": {"h5py"}}


class Import(NamedTuple):
    """One import of one module."""

    room: str  # who imports
    target: str  # a room, or the name of a package from outside
    inside: bool  # whether the target is elman's
    lazy: bool  # whether it waits for a call
    where: str


def modules() -> Iterator[tuple[Path, str]]:
    """Every Python file of the package, and its room."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield path, "elman" if parts == ("__init__",) else parts[0]


def imports() -> Iterator[Import]:
    """Every import of the package that runs; those for type checkers alone do not."""
    for path, room in modules():
        yield from _walk(ast.parse(path.read_text()), path, room, lazy=False)


def _walk(node: ast.AST, path: Path, room: str, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (found for part in child.orelse for found in _walk(part, path, room, lazy))
            continue
        where = f"{path.relative_to(ROOT)}:{getattr(child, 'lineno', 0)}"
        if isinstance(child, ast.Import):
            for name in child.names:
                yield _import(name.name, room, lazy, where)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{where} imports relatively"
            module = child.module or ""
            for name in child.names:
                yield _import(f"{module}.{name.name}", room, lazy, where)
        in_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, path, room, lazy or in_function)


def _import(name: str, room: str, lazy: bool, where: str) -> Import:
    head, *rest = name.split(".")
    if head != "elman":
        return Import(room, head, False, lazy, where)
    is_module = rest and any((PACKAGE / f"{rest[0]}{end}").exists() for end in ("", ".py"))
    target = rest[0] if is_module or rest[:1] == ["_core"] else "elman"
    return Import(room, target, True, lazy, where)


def floor(room: str) -> int:
    """How high up a room is."""
    for height, rooms in enumerate(FLOORS):
        if room in rooms:
            return height
    raise AssertionError(f"tests/test_architecture.py knows no room {room!r}: give it a floor")


def test_every_room_has_a_floor() -> None:
    assert {floor(room) for _, room in modules()}


def test_no_room_imports_from_a_floor_above_it() -> None:
    wrong = [
        f"{found.where}: {found.room} imports {found.target}"
        for found in imports()
        if found.inside
        and floor(found.target) > floor(found.room)
        and not (found.lazy and (found.room, found.target) in UPSTAIRS)
    ]
    assert not wrong, "\n".join(wrong)


def test_visitors_are_imported_by_nothing_below_but_lazily_by_the_model() -> None:
    by = {(i.room, i.lazy) for i in imports() if i.inside and i.target in ("explain", "saving")}
    upstairs = {room for room, _ in by if floor(room) < floor("explain")}
    assert upstairs <= {"visited", "models", "data"}
    assert not by & {("visited", False), ("models", False), ("data", False)}


#: What could make an object of a name or of bytes in a file.
CODE_FROM_DATA = {"pickle", "marshal", "importlib", "runpy", "shelve", "dill", "cloudpickle"}
CALLS_OF_CODE = {"eval", "exec", "compile", "__import__", "globals", "vars", "getattr"}


def test_opening_files_has_nothing_that_runs_what_a_file_says() -> None:
    for path in sorted((PACKAGE / "saving").glob("*.py")):
        tree = ast.parse(path.read_text())
        imported = {i.target for i in _walk(tree, path, "saving", lazy=False)}
        assert not imported & CODE_FROM_DATA, path
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            # getattr with a name that stands in the source is an ordinary look at an attribute
            ordinary = node.func.id == "getattr" and isinstance(node.args[1], ast.Constant)
            assert ordinary or node.func.id not in CALLS_OF_CODE, f"{path}:{node.lineno}"


def test_only_numpy_is_imported_before_it_is_needed() -> None:
    wrong = [
        f"{found.where}: {found.room} imports {found.target}"
        for found in imports()
        if not found.inside
        and not found.lazy
        and found.target not in sys.stdlib_module_names
        and found.target not in OUTSIDE | OUTSIDE_OF.get(found.room, set())
    ]
    assert not wrong, "\n".join(wrong)


def test_the_check_of_imports_sees_what_it_forbids() -> None:
    # A check that can find nothing is no check.
    tree = ast.parse(
        "from elman.layers import LSTM\n"
        "import rich.table\n"
        "if TYPE_CHECKING:\n"
        "    from elman import models\n"
        "def f():\n"
        "    from elman import models, LSTM\n"
    )
    found = list(_walk(tree, PACKAGE / "losses.py", "losses", lazy=False))
    assert [(i.target, i.inside, i.lazy) for i in found] == [
        ("layers", True, False),
        ("rich", False, False),
        ("models", True, True),
        ("elman", True, True),
    ]


def own_process(code: str, **environment: str) -> str:
    """What a fresh Python prints."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    found = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_importing_elman_loads_no_optional_package() -> None:
    loaded = own_process("import sys, elman; print(*{m.split('.')[0] for m in sys.modules})")
    heavy = {
        "rich",
        "h5py",
        "cyclopts",
        "matplotlib",
        "scipy",
        "pandas",
        "sklearn",
        "keras",
        "jax",
        "torch",
    }
    assert not heavy & set(loaded.split())
    extra = own_process(
        "import sys, numpy; before = set(sys.modules); import elman;"
        "print(*{m for m in set(sys.modules) - before if not m.startswith('elman')})"
    ).split()
    # a few small modules of Python and NumPy itself
    assert len(extra) < 15, sorted(extra)


#: What a model needs only when it is compiled, run, opened, looked into or written as a line.
LATER = {"callbacks", "data", "explain", "interop", "losses", "metrics", "optimizers", "saving"}
LATER |= {"spec", "streaming", "training"}


def test_importing_elman_loads_few_of_its_own_modules() -> None:
    code = "import sys, elman; print(*{m for m in sys.modules if m.split('.')[0] == 'elman'})"
    loaded = own_process(code).split()
    rooms = {name.split(".")[1] for name in loaded if "." in name}
    assert not rooms & LATER, sorted(rooms)
    # Each costs a quarter of a millisecond. Most are layers: one more, and it is one more here.
    assert len(loaded) <= 60, sorted(loaded)


def test_every_public_name_is_there_when_it_is_asked_for() -> None:
    code = "import elman; listed = dir(elman); print(*(n for n in elman.__all__ if {}))"
    assert own_process(code.format("n not in listed")).split() == []
    assert own_process(code.format("not hasattr(elman, n)")).split() == []


def test_importing_elman_costs_little_more_than_numpy(tmp_path: Path) -> None:
    code = (
        "from time import process_time as now\n"
        "a = now(); import numpy; b = now(); import elman; c = now()\n"
        "print(b - a, c - b)"
    )
    # Processor time of the two by turns, the best of several, with compiled files as after any
    # first import.
    times = [
        [float(t) for t in own_process(code, PYTHONPYCACHEPREFIX=str(tmp_path)).split()]
        for _ in range(6)
    ]
    numpy, elman = (min(column) for column in zip(*times, strict=True))
    # A seventh of NumPy's when this was written. Half leaves room for a noisy machine; what grows
    # slowly is caught by the number of modules, which has no noise.
    assert elman < numpy / 2, f"numpy {numpy:.3f} s, elman {elman:.3f} s more"


# -- C++ ----------------------------------------------------------------------------------------

#: The floors of src/core. A file includes from its own floor and from those below it.
CORE_FLOORS: list[set[str]] = [
    {"kernels"},
    {"isa"},
    {"aligned", "finite", "numbering", "projection", "slot", "weights", "threads"},
    {"table", "peak"},
    {"op"},
    {"plan", "segments"},
    {"sequence", "stream"},
    {"guests"},
    {"bindings"},
]
#: The files that join the layers' kernels into one table per instruction set.
JOINTS = {"isa/table_body.h", "isa/doubles_body.h", "isa/table.h", "bindings.cpp"}
STANDARD = re.compile(r"\bstd::")


def includes(path: Path) -> list[str]:
    """What a file includes, with its quotes or angle brackets."""
    return re.findall(r'^\s*#\s*include\s+(["<][^">]+[">])', path.read_text(), re.MULTILINE)


def code_of(path: Path) -> str:
    """A file without its comments."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    return re.sub(r"//[^\n]*", "", text)


def resolved(path: Path, include: str) -> Path | None:
    """The file behind an include in quotes."""
    for folder in (path.parent, CORE, PACKAGE):
        if (folder / include).exists():
            return (folder / include).resolve()
    return None


def kernel_headers() -> set[Path]:
    """Everything that is compiled once per instruction set, but the enum of the table."""
    found: set[Path] = set()
    waiting = [CORE / "isa/table_body.h"]
    while waiting:
        path = waiting.pop()
        for include in includes(path):
            target = resolved(path, include[1:-1]) if include[0] == '"' else None
            if target and target not in found and target != CORE / "isa/table.h":
                found.add(target)
                waiting.append(target)
    return found


def test_kernels_reach_every_layer_and_the_activations() -> None:
    names = {path.name for path in kernel_headers()}
    assert {"lstm.h", "gru.h", "simple_rnn.h", "recurrent.h", "dropout.h", "losses.h"} <= names
    assert {"vec.h", "product.h", "activations.h", "arguments.h", "update.h"} <= names


def test_kernels_use_nothing_of_the_standard_library() -> None:
    # The linker merges inline functions by name: one compiled for AVX-512 would then run on a
    # processor without it (numpy issue 25274, botan issue 5260).
    wrong = []
    for path in sorted(kernel_headers() | set((CORE / "kernels").glob("*.h"))):
        angled = [i for i in includes(path) if i[0] == "<" and i != "<stdint.h>"]
        standard = STANDARD.findall(code_of(path))
        if angled or standard:
            wrong.append(f"{path.relative_to(ROOT)}: {angled + standard}")
    assert not wrong, "\n".join(wrong)


def test_kernels_live_in_unnamed_namespaces() -> None:
    for path in kernel_headers():
        if path.name in ("arguments.h", "activation_list.h", "cells.h"):
            continue  # structs, enums and macros: no functions
        assert re.search(r"namespace elman \{\s*namespace \{", path.read_text()), path


def test_a_layers_mathematics_includes_only_kernels_and_neighbours() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} includes {include}"
        for path in kernel_headers()
        if PACKAGE in path.parents
        for include in includes(path)
        if not include.startswith('"kernels/')
        and PACKAGE not in (resolved(path, include[1:-1]) or path.parent.parent).parents
    ]
    assert not wrong, "\n".join(wrong)


def test_kernels_include_only_kernels() -> None:
    for path in (CORE / "kernels").glob("*.h"):
        quoted = [i[1:-1] for i in includes(path) if i[0] == '"']
        assert all((path.parent / name).exists() for name in quoted), path


def test_the_core_knows_no_layer() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} includes {include}"
        for path in [*CORE.rglob("*.h"), *CORE.rglob("*.cpp")]
        if path.relative_to(CORE).as_posix() not in JOINTS
        for include in includes(path)
        if include[0] == '"' and PACKAGE in (resolved(path, include[1:-1]) or CORE).parents
    ]
    assert not wrong, "\n".join(wrong)


def core_floor(path: Path) -> int:
    part = path.relative_to(CORE).parts[0].split(".")[0]
    for height, files in enumerate(CORE_FLOORS):
        if part in files:
            return height
    raise AssertionError(f"tests/test_architecture.py knows no file core/{part}: give it a floor")


def test_the_core_includes_downwards_only() -> None:
    wrong = []
    for path in [*CORE.rglob("*.h"), *CORE.rglob("*.cpp")]:
        for include in includes(path):
            target = resolved(path, include[1:-1]) if include[0] == '"' else None
            inside = target is not None and CORE in target.parents
            if inside and core_floor(target) > core_floor(path):
                wrong.append(f"{path.relative_to(ROOT)} includes {include}")
    assert not wrong, "\n".join(wrong)


def test_every_file_of_the_core_and_of_the_layers_is_built() -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text()
    for path in SOURCE.rglob("*.cpp"):
        assert path.relative_to(ROOT).as_posix() in cmake, f"{path} is not in CMakeLists.txt"


def test_every_cell_has_its_two_forms_side_by_side() -> None:
    listed = re.findall(r"X\((\w+)\)", (PACKAGE / "layers/cells.h").read_text())
    structs = {
        name: path
        for path in (PACKAGE / "layers").glob("*.h")
        for name in re.findall(r"^struct (\w+) \{", path.read_text(), re.MULTILINE)
    }
    for name in listed:
        assert structs[name].with_suffix(".py").exists(), name


def kernel_flags() -> dict[str, list[str]]:
    """The flags with which CMake compiles each file of an instruction set."""
    cmake = (ROOT / "CMakeLists.txt").read_text()
    shared = re.search(r'set\(kernel_flags "([^"]+)"\)', cmake)
    assert shared
    flags = {name: shared[1].split(";") for name in ("scalar.cpp", "scalar_doubles.cpp")}
    for name, own in re.findall(
        r"set_property\(SOURCE src/core/isa/(\w+\.cpp) PROPERTY COMPILE_OPTIONS\s+([^)]+)\)", cmake
    ):
        flags[name] = [*own.split(), *flags["scalar.cpp"]]
    return flags


@pytest.mark.skipif(
    not (shutil.which("g++") and shutil.which("nm")), reason="g++ or nm is not installed"
)
def test_every_instruction_set_exports_one_symbol_and_needs_no_library(tmp_path: Path) -> None:
    flags = kernel_flags()
    files = sorted(p for p in (CORE / "isa").glob("*.cpp") if p.name != "dispatch.cpp")
    assert {p.name for p in files} == set(flags)
    x86 = subprocess.run(["g++", "-dumpmachine"], capture_output=True, text=True).stdout.startswith(
        ("x86_64", "amd64")
    )
    if not x86:
        files = [p for p in files if p.name.startswith("scalar")]

    def symbols(path: Path) -> tuple[list[str], set[str]]:
        made = tmp_path / f"{path.stem}.o"
        command = ["g++", "-std=c++20", "-c", "-fPIC", "-fvisibility=hidden", *flags[path.name]]
        command += [f"-I{CORE}", f"-I{PACKAGE}", "-DELMAN_X86", str(path), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        ask = ["nm", "--demangle", "--extern-only", str(made)]
        listed = [line.split() for line in subprocess.check_output(ask, text=True).splitlines()]
        return (
            [line[-1] for line in listed if line[-2] not in "Uw"],
            {line[-1] for line in listed if line[-2] in "Uw"},
        )

    with ThreadPoolExecutor(2) as pool:
        for path, (exported, needed) in zip(files, pool.map(symbols, files), strict=True):
            assert exported == [f"elman::kernels_{path.stem}"]
            # What the C library has anyway; nothing of C++ that another object could replace.
            assert needed <= {"memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_"}, needed

"""Break the codecs on purpose, one place at a time, and report what no test noticed; `make mutants`.

A survivor is a line that could be wrong without anybody knowing: a missing test, or a change that changes
nothing, which a person must tell apart. So this is a report, not a gate: it ends with 0 whatever it finds,
and with 1 only when the unchanged code fails the tests that are to judge.

Lines are drawn by a seed, then one change on each, because the question is whether any line can be wrong
unseen. Prose, annotations and the options of classes are left alone: no test should hold them. The working
tree is never touched; each job works on a copy of its own.

It exists because mutmut changes only what is inside functions, where half of a codec is tables beside them,
and cosmic-ray changes files in place.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

PACKAGE = Path("src/dragoman")
CODECS = ("dialects/*/*.py", "dialects/*.py", "wire/*.py")
COPIED = ("src", "tests", "docs", "pyproject.toml")
INSTALLED = ("node_modules", ".venv", "__pycache__")
PATIENCE = 4
"""How many times as long as on the unchanged code tests may take; what never ends is noticed by that."""

_PAIRS = ((ast.Eq, ast.NotEq), (ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Is, ast.IsNot), (ast.In, ast.NotIn))
OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    one: other for pair in _PAIRS for one, other in (pair, pair[::-1])
}
UNREAD = {"annotation", "returns", "decorator_list"}
"""Fields that no test can or should notice; so are the keywords of a class, and a type's arguments."""


@dataclass(frozen=True)
class Change:
    """What takes the place of one node, and how a person reads it."""

    line: int
    parent: ast.AST
    field: str
    index: int | None
    replacement: ast.AST
    reading: str


@dataclass(frozen=True)
class Mutant:
    """A module with one change: its path, the line as it was, what changed, and the whole new text."""

    path: Path
    line: int
    text: str
    reading: str
    source: str

    def __str__(self) -> str:
        return f"{self.path.as_posix()}:{self.line}: {self.text}  =>  {self.reading}"


Judge = tuple[str, ...]
"""Arguments of a Python program that fails when a codec is wrong."""


def passes(judge: Judge, root: Path, seconds: float) -> bool:
    """Whether a judge finds, in this time, nothing wrong with the package below `root`."""
    # Bytecode of one mutant could hide the next, when both have the same length and second.
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = (sys.executable, *judge)
    try:
        ended = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def replacements(node: ast.AST) -> Iterator[tuple[ast.AST, str, int]]:
    """What may take this node's place, how a person reads it, and the line it is about."""
    if isinstance(node, ast.expr):
        for value in _expressions(node):
            yield value, ast.unparse(value), node.lineno
        yield from _shorter(node)
    match node:
        case ast.Assign([ast.Subscript() | ast.Attribute()]) | ast.AugAssign() | ast.Expr(ast.Call()):
            yield ast.Pass(), "pass", node.lineno
        case ast.If(test, _, orelse):
            yield ast.If(test, [ast.Pass()], orelse), "pass instead of what follows", node.lineno
        case ast.Return(ast.expr() as value) if ast.unparse(value) != "None":
            yield ast.Return(), "return None", node.lineno


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left, [operator, *more], comparators):
            yield ast.Compare(left, [OPPOSITES[type(operator)](), *more], comparators)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(str(value)) if not any(map(str.isspace, value)):
            yield ast.Constant(value + "~")
        case ast.Constant(bytes(value)):
            yield ast.Constant(value + b"~")


def _shorter(node: ast.expr) -> Iterator[tuple[ast.expr, str, int]]:
    """A literal without one of its elements, for each of them."""
    match node:
        case ast.Dict(keys, values):
            for n, value in enumerate(values):
                gone = keys[n] or value
                less = ast.Dict(keys[:n] + keys[n + 1 :], values[:n] + values[n + 1 :])
                yield less, f"without {ast.unparse(gone)}", gone.lineno
        case ast.List(elements, ast.Load()) | ast.Tuple(elements, ast.Load()) | ast.Set(elements):
            for n, gone in enumerate(elements):
                rest = elements[:n] + elements[n + 1 :]
                short = ast.Set(rest) if isinstance(node, ast.Set) else type(node)(rest, ast.Load())
                yield short, f"without {ast.unparse(gone)}", gone.lineno


def changes(node: ast.AST) -> Iterator[Change]:
    """Every change of everything below a node."""
    for field, value in ast.iter_fields(node):
        if field in UNREAD or (isinstance(node, ast.ClassDef) and field == "keywords"):
            continue
        if isinstance(node, ast.Subscript) and isinstance(value, ast.Tuple):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_prose(node, child):
                continue
            for replacement, reading, line in replacements(child):
                yield Change(line, node, field, index, replacement, reading)
            yield from changes(child)


def _is_prose(parent: ast.AST, child: ast.AST) -> bool:
    return isinstance(parent, ast.Expr | ast.JoinedStr) and isinstance(child, ast.Constant)


def mutants(path: Path, source: str, number: int, seed: int) -> list[Mutant]:
    """A sample of a module's mutants: `number` lines at most, one change on each, in the order of lines."""
    tree = ast.parse(source)
    by_line: dict[int, list[Change]] = defaultdict(list)
    for change in changes(tree):
        by_line[change.line].append(change)
    chance = random.Random(f"{seed} {path.as_posix()}")  # noqa: S311 - a sample, not a secret
    drawn = sorted(chance.sample(sorted(by_line), min(number, len(by_line))))
    texts = source.splitlines()
    return [
        Mutant(path, line, texts[line - 1].strip(), change.reading, _with(change, tree))
        for line in drawn
        for change in [chance.choice(by_line[line])]
    ]


def _with(change: Change, tree: ast.Module) -> str:
    """The module's text with the change; the tree is afterwards as before."""
    kept = getattr(change.parent, change.field)
    if change.index is None:
        new: object = change.replacement
    else:
        new = [*kept[: change.index], change.replacement, *kept[change.index + 1 :]]
    setattr(change.parent, change.field, new)
    text = ast.unparse(tree)
    setattr(change.parent, change.field, kept)
    return text + "\n"


def judges(root: Path, module: Path, recorded: Path | None, *, own: bool = True) -> list[Judge]:
    """What may notice a change of a module, the cheapest first; `own`: its own tests before its folder's."""
    pytest = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider")
    tests = root / "tests/unit" / module.relative_to(PACKAGE).parent
    files = sorted(path.relative_to(root).as_posix() for path in tests.glob("test_*.py"))
    first = [file for file in files if own and Path(file).name == f"test_{module.stem}.py"]
    return [
        ("-m", "tests.laws", "tests/cases"),
        *((*pytest, file) for file in first),
        (*pytest, *files, "tests/golden"),
        *([("-m", "tests.laws", str(recorded.resolve()))] if recorded else []),
    ]


def survives(mutant: Mutant, root: Path, judges: Sequence[Judge], seconds: float) -> bool:
    """Whether no judge notices the mutant; the copy is afterwards as before, its times included."""
    module = root / mutant.path
    kept = module.with_suffix(".kept")
    shutil.copy2(module, kept)
    module.write_text(mutant.source, encoding="utf-8")
    try:
        return all(passes(judge, root, seconds) for judge in judges)
    finally:
        kept.replace(module)


def slowest(judges: Iterable[Judge], root: Path) -> float:
    """The seconds that the slowest judge takes; ends the run when one fails the unchanged code."""
    times = []
    for judge in judges:
        began = time.monotonic()
        if not passes(judge, root, 600):
            sys.exit(f"error: the unchanged code fails: python {' '.join(judge)}")
        times.append(time.monotonic() - began)
    return max(times, default=0)


def run(options: argparse.Namespace) -> Iterator[str]:
    """Judge a sample of mutants; the report, line by line as it becomes known."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        copies: SimpleQueue[Path] = SimpleQueue()
        for n in range(options.jobs):
            copies.put(_copied(Path(), Path(temporary) / str(n)))
        root = Path(temporary) / "0"
        paths = [path.relative_to(root) for codec in CODECS for path in sorted((root / PACKAGE).glob(codec))]
        modules = [path for path in paths if not options.module or options.module in path.as_posix()]
        wide = (judge for module in modules for judge in judges(root, module, options.wire, own=False))
        seconds = PATIENCE * slowest(dict.fromkeys(wide), root) + 5

        def judged(mutant: Mutant) -> bool:
            copy = copies.get()
            try:
                return survives(mutant, copy, judges(copy, mutant.path, options.wire), seconds)
            finally:
                copies.put(copy)

        total = survivors = 0
        yield f"{'':52}{'mutants':>8}{'killed':>8}{'alive':>8}"
        with ThreadPoolExecutor(options.jobs) as pool:
            for module in modules:
                source = (root / module).read_text(encoding="utf-8")
                sample = mutants(module, source, options.per_module, options.seed)
                alive = [
                    mutant for mutant, lives in zip(sample, pool.map(judged, sample), strict=True) if lives
                ]
                yield _row(module.relative_to(PACKAGE).as_posix(), len(sample), len(alive))
                yield from (f"    {mutant}" for mutant in alive)
                total += len(sample)
                survivors += len(alive)
        yield _row(f"all, in {time.monotonic() - began:.0f} s, seed {options.seed}", total, survivors)


def _copied(root: Path, copy: Path) -> Path:
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns(*INSTALLED))
        else:
            shutil.copy2(root / name, copy / name)
    return copy


def _row(name: str, total: int, alive: int) -> str:
    return f"{name:52}{total:8}{total - alive:8}{alive:8}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report."""
    parser = argparse.ArgumentParser("mutate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="another seed draws other lines (default: 1)")
    parser.add_argument("--per-module", type=int, default=4, help="lines drawn in each module (default: 4)")
    parser.add_argument("--module", help="only modules whose path contains this")
    parser.add_argument("--jobs", type=int, default=1, help="mutants judged at the same time (default: 1)")
    parser.add_argument("--wire", type=Path, help="a folder of recorded exchanges, which then judge, too")
    for line in run(parser.parse_args(arguments)):
        print(line, flush=True)


if __name__ == "__main__":
    main()

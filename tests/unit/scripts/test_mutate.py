"""A mutant differs in one place, the sample is repeatable, and what no test notices is told."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts import mutate
from scripts.mutate import changes, judges, mutants, passes, survives

MODULE = Path("src/dragoman/wire/sse.py")


def readings(source: str) -> list[str]:
    return [change.reading for change in changes(ast.parse(source))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a == b", ["a != b"]),
        ("x = a in b", ["a not in b"]),
        ("x = a < b", ["a <= b"]),
        ("x = a and b", ["a or b"]),
        ("x = not a", ["a"]),
        ("x = a if b else c", ["a", "c"]),
        ("x = 1", ["2"]),
        ("x = True", ["False"]),
        ("x = 'stop'", ["'stop~'"]),
        ("x = b'data:'", ["b'data:~'"]),
        ("x = {a: b, **c}", ["without a", "without c"]),
        ("x = {a, b}", ["without a", "without b"]),
        ("x = [a]", ["without a"]),
        ("x[a] = b", ["pass"]),
        ("x.a = b", ["pass"]),
        ("x |= b", ["pass"]),
        ("x(a)", ["pass"]),
        ("if a:\n    b\nelse:\n    c", ["pass instead of what follows"]),
        ("def f():\n    return a", ["return None"]),
    ],
)
def test_each_kind_of_place_has_its_changes(source: str, expected: list[str]) -> None:
    assert readings(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "x = 'a sentence for people'",
        "'docstring'",
        "x = f'{a}words'",
        "x: dict[str, int]",
        "x = Callable[[], int] | dict[str, 'Name']",
        "class A(B, frozen=True): ...",
        "@dataclass(slots=True)\nclass A: ...",
        "def f(a: 'A') -> 'B':\n    return None",
        "a, b = c",
        "x = None",
    ],
)
def test_what_no_test_should_hold_is_left_alone(source: str) -> None:
    assert readings(source) == []


def test_a_mutant_is_the_module_with_that_one_change() -> None:
    source = (
        "TABLE = {\n    'stop': 1,\n    'length': 1,\n}\n\n\ndef known(word):\n    return word in TABLE\n"
    )
    plain = ast.unparse(ast.parse(source)).splitlines()
    drawn = mutants(MODULE, source, 100, 1)
    assert [mutant.line for mutant in drawn] == [2, 3, 8]
    for mutant in drawn:
        changed = mutant.source.splitlines()
        assert changed != plain
        assert sum(old != new for old, new in zip(plain, changed, strict=True)) == 1
        assert str(mutant).startswith(f"src/dragoman/wire/sse.py:{mutant.line}: {mutant.text}  =>  ")


def test_a_sample_is_repeated_by_its_seed_alone() -> None:
    source = "\n".join(f"x{n} = {n}" for n in range(200))
    assert mutants(MODULE, source, 5, 1) == mutants(MODULE, source, 5, 1)
    assert mutants(MODULE, source, 5, 1) != mutants(MODULE, source, 5, 2)
    assert len(mutants(MODULE, source, 5, 1)) == 5
    assert len(mutants(MODULE, "x = 1\n", 5, 1)) == 1


def test_the_cheapest_judges_come_first(repository: Path) -> None:
    laws, own, folder, recorded = judges(repository, MODULE, repository / "wire")
    assert laws == ("-m", "tests.laws", "tests/cases")
    assert own[-2:] == ("no:cacheprovider", "tests/unit/wire/test_sse.py")
    assert folder[-3:] == ("tests/unit/wire/test_json.py", "tests/unit/wire/test_sse.py", "tests/golden")
    assert recorded == ("-m", "tests.laws", str(repository / "wire"))
    assert judges(repository, MODULE, repository / "wire", own=False) == [laws, folder, recorded]


def test_a_module_without_a_test_of_its_own_has_those_of_its_folder(repository: Path) -> None:
    laws, folder = judges(repository, MODULE.with_name("header.py"), None)
    assert laws[1] == "tests.laws"
    assert folder[-1] == "tests/golden"


def test_a_mutant_that_a_judge_notices_dies_and_the_module_is_as_before(repository: Path) -> None:
    (mutant,) = mutants(MODULE, "END = 1\n", 1, 1)
    before = (repository / MODULE).stat().st_mtime_ns
    assert not survives(mutant, repository, [("-c", "pass"), expecting(1)], 30)
    assert survives(mutant, repository, [("-c", "pass"), expecting(2)], 30)
    assert (repository / MODULE).read_text() == "END = 1\n"
    assert (repository / MODULE).stat().st_mtime_ns == before
    assert [path.name for path in (repository / MODULE).parent.iterdir()] == ["sse.py"]


def test_a_judge_that_does_not_end_has_noticed(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    assert not passes(("-c", "import time; time.sleep(60)"), tmp_path, 0.1)


def test_the_report_names_what_lives(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(mutate, "judges", lambda *_, **__: [expecting(1)])
    mutate.main([])
    assert capsys.readouterr().out.splitlines()[1].split() == ["wire/sse.py", "1", "1", "0"]
    monkeypatch.setattr(mutate, "judges", lambda *_, **__: [("-c", "pass")])
    mutate.main(["--jobs", "2", "--module", "wire"])
    _, row, survivor, total = capsys.readouterr().out.splitlines()
    assert row.split() == ["wire/sse.py", "1", "0", "1"]
    assert survivor == "    src/dragoman/wire/sse.py:1: END = 1  =>  2"
    assert total.split()[-3:] == ["1", "0", "1"]
    assert (repository / MODULE).read_text() == "END = 1\n"


def test_judges_that_fail_the_unchanged_code_judge_nothing(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(mutate, "judges", lambda *_, **__: [expecting(2)])
    with pytest.raises(SystemExit, match="error: the unchanged code fails: python -c from dragoman"):
        mutate.main([])


def expecting(end: int) -> tuple[str, ...]:
    return ("-c", f"from dragoman.wire.sse import END; raise SystemExit(END != {end})")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of one module of `wire`, with tests of two."""
    (tmp_path / MODULE).parent.mkdir(parents=True)
    (tmp_path / MODULE).write_text("END = 1\n")
    (tmp_path / "src/dragoman/__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "docs").mkdir()
    tests = tmp_path / "tests/unit/wire"
    tests.mkdir(parents=True)
    for name in ("test_sse.py", "test_json.py"):
        (tests / name).write_text("")
    return tmp_path

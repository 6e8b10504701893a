"""Names that say nothing, files that are too long, unfinished marks and modules without a test are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_tree import LONGEST, UNMIRRORED, problems


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("scripts/utils.py", "", "the name 'utils.py' says nothing about what is in it"),
        ("bench/helpers/text.py", "", "the name 'helpers' says nothing about what is in it"),
        ("tests/unit/test_manager.py", "", "the name 'test_manager.py' says nothing about what is in it"),
        ("bench/load.py", "x = 1\n" * (LONGEST + 1), f"{LONGEST + 1} lines, more than {LONGEST}"),
    ],
)
def test_a_problem_is_named_with_its_file(tmp_path: Path, path: str, text: str, expected: str) -> None:
    write(tmp_path / path, text)
    assert list(problems(tmp_path)) == [f"{path}: {expected}"]


def test_an_unfinished_mark_is_found_with_its_line(tmp_path: Path) -> None:
    write(tmp_path / "src/dragoman/engine.py", "x = 1\n# " + "TO" + "DO: more\n")
    write(tmp_path / "tests/unit/test_engine.py", "")
    assert list(problems(tmp_path)) == ["src/dragoman/engine.py:2: TO" + "DO"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("scripts/base_url.py", "x = 1\n" * LONGEST),
        ("tests/e2e/node/node_modules/openai/utils.js", ""),
        ("tests/unit/test_engine.py", "# TO" + "DO lists are what this tests\n"),
        ("docs/common.md", ""),
    ],
)
def test_what_is_fine_stays_unnamed(tmp_path: Path, path: str, text: str) -> None:
    write(tmp_path / path, text)
    assert list(problems(tmp_path)) == []


_CAUGHT = "try:\n    x = decode(b)\nexcept {}:\n    x = None\n"


@pytest.mark.parametrize(
    "caught", ["msgspec.DecodeError", "msgspec.MsgspecError as error", "(msgspec.DecodeError, UnicodeError)"]
)
def test_a_decoder_of_which_only_some_errors_are_caught_is_found(tmp_path: Path, caught: str) -> None:
    write(tmp_path / "src/dragoman/dialects/engine.py", _CAUGHT.format(caught))
    write(tmp_path / "tests/unit/dialects/test_engine.py", "")
    expected = "src/dragoman/dialects/engine.py:3: catch src/dragoman/wire/json.py's UNDECODABLE"
    assert list(problems(tmp_path)) == [expected]


@pytest.mark.parametrize(
    ("room", "caught"),
    [
        ("dialects", "UNDECODABLE"),
        ("dialects", "(*UNDECODABLE, KeyError) as error"),
        ("dialects", "msgspec.ValidationError"),
        ("state", "msgspec.DecodeError"),
    ],
)
def test_a_decoder_whose_errors_are_caught_together_stays_unnamed(
    tmp_path: Path, room: str, caught: str
) -> None:
    write(tmp_path / f"src/dragoman/{room}/engine.py", _CAUGHT.format(caught))
    write(tmp_path / f"tests/unit/{room}/test_engine.py", "")
    assert list(problems(tmp_path)) == []


@pytest.mark.parametrize(
    ("module", "test"),
    [
        ("a/b.py", "a/test_b.py"),
        ("a/b.py", "a/test_b_of_others.py"),
        ("a/_b.py", "a/test_b.py"),
        ("a/__init__.py", "a/test_a.py"),
        ("__init__.py", "test_dragoman.py"),
        ("testing/__main__.py", "testing/test_main.py"),
    ],
)
def test_a_module_has_its_test_at_the_same_place(tmp_path: Path, module: str, test: str) -> None:
    write(tmp_path / "src/dragoman" / module, "def f(): ...\n")
    first = test.replace("_of_others", "")
    assert list(problems(tmp_path)) == [
        f"src/dragoman/{module}: no tests/unit/{first}, and no reason in {UNMIRRORED}"
    ]
    write(tmp_path / "tests/unit" / test, "")
    assert list(problems(tmp_path)) == []


def test_a_package_that_only_imports_needs_no_test(tmp_path: Path) -> None:
    write(tmp_path / "src/dragoman/a/__init__.py", '"""Words."""\nfrom b import c\n__all__ = ["c"]\n')
    assert list(problems(tmp_path)) == []


@pytest.mark.parametrize("excuse", ["a/b.py", "a/"])
def test_an_excuse_is_for_modules_without_a_test_and_fails_without_them(tmp_path: Path, excuse: str) -> None:
    write(tmp_path / UNMIRRORED, f'[[excused]]\nreason = "It is data."\nmodules = ["{excuse}"]\n')
    assert list(problems(tmp_path)) == [f"{UNMIRRORED}: no module needs {excuse!r} any more"]
    write(tmp_path / "src/dragoman/a/b.py", "")
    assert list(problems(tmp_path)) == []
    write(tmp_path / "tests/unit/a/test_b.py", "")
    assert list(problems(tmp_path)) == [f"{UNMIRRORED}: no module needs {excuse!r} any more"]


def test_an_excuse_has_a_reason(tmp_path: Path) -> None:
    write(tmp_path / UNMIRRORED, '[[excused]]\nmodules = ["a.py"]\n')
    with pytest.raises(KeyError, match="reason"):
        list(problems(tmp_path))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")

"""YAML as a tree with lines: what is accepted, what is refused, and that nothing crashes the reader."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.config.decode import plain
from dragoman.config.tree import Scalar, Table
from dragoman.config.yaml_reader import MAX_DEPTH, read

ENVIRON = {"HOST": "h.example", "PORT": "8080", "EMPTY": "", "KEY": "sk-1"}


def value(text: str) -> Any:
    table, problems = read(text, "f", ENVIRON)
    assert problems == []
    return plain(table)


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read(text, "f", ENVIRON)[1]]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("---\n", {}),
        ("~", {}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: text", {"a": "text"}),
        ("a: 'it''s'", {"a": "it's"}),
        ('a: "x\\ny"', {"a": "x\ny"}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("a: [1, two, {b: 3}]", {"a": [1, "two", {"b": 3}]}),
        ("a:\n- 1\n- 2\n", {"a": [1, 2]}),
        ("a: true\nb: False\nc: TRUE", {"a": True, "b": False, "c": True}),
        ("a: ~\nb: null\nc:\nd: 'null'", {"a": None, "b": None, "c": None, "d": "null"}),
        ("a: 1.5\nb: 1e3\nc: -.5\nd: 1.", {"a": 1.5, "b": 1000.0, "c": -0.5, "d": 1.0}),
        # What YAML 1.1 would have turned into something else.
        (
            "a: no\nb: on\nc: 12:30\nd: 2023-06-01\ne: 0x1f",
            {"a": "no", "b": "on", "c": "12:30", "d": "2023-06-01", "e": "0x1f"},
        ),
        ("a: .inf\nb: .nan\nc: 1e999", {"a": ".inf", "b": ".nan", "c": "1e999"}),
        ("no: 1\n404: 2\ntrue: 3", {"no": 1, "404": 2, "true": 3}),
        ("a: !!str 5\nb: ! 5", {"a": "5", "b": "5"}),
        # Anchors and merging; what is stated here wins.
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
        (
            "a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne: {<<: [*x, *y]}",
            {"a": {"b": 1}, "c": {"b": 2, "d": 3}, "e": {"b": 1, "d": 3}},
        ),
        ("a: {'<<': 1}", {"a": {"<<": 1}}),
        # Variables.
        ("a: ${HOST}", {"a": "h.example"}),
        ("a: http://${HOST}:${PORT}/v1", {"a": "http://h.example:8080/v1"}),
        ("a: ${PORT}\nb: '${PORT}'", {"a": 8080, "b": "8080"}),
        (
            "a: ${NOT_SET:-x}\nb: ${EMPTY:-x}\nc: ${NOT_SET:-}\nd: '${EMPTY}'",
            {"a": "x", "b": "x", "c": None, "d": ""},
        ),
        ("a: $${HOST}\nb: $HOST\nc: 5$", {"a": "${HOST}", "b": "$HOST", "c": "5$"}),
        ("a: ${NOT_SET:-http://x:1/{b}", {"a": "http://x:1/{b"}),
    ],
)
def test_what_is_written_is_what_is_meant(written: str, meant: object) -> None:
    assert value(written) == meant


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("[1, 2]", "f:1: a configuration must be a mapping of settings (`server: …`)"),
        ("text", "f:1: a configuration must be a mapping of settings (`server: …`)"),
        ("a: 1\na: 2", "f:2: a: set twice: first in line 1"),
        ("a:\n  b: 1\n  c: 2\n  b: 3", "f:4: a.b: set twice: first in line 2"),
        ("a: 1\n---\nb: 2", "f:2: a second YAML document begins here; a configuration is a single document"),
        (
            "a: *x",
            (
                "f:1: a: the YAML alias refers to an anchor that is not defined above it, or that "
                "contains itself"
            ),
        ),
        (
            "a: &x [1, *x]",
            (
                "f:1: a[1]: the YAML alias refers to an anchor that is not defined above it, or that "
                "contains itself"
            ),
        ),
        ("? [1]\n: 2", "f:1: a setting's name must be a string"),
        (
            "a: !!python/object:os.system x",
            "f:1: a: YAML tags are not supported (put a string that begins with ! into quotation marks)",
        ),
        (
            "a: !!int 5",
            "f:1: a: YAML tags are not supported (put a string that begins with ! into quotation marks)",
        ),
        ("<<: 1", "f:1: `<<` needs a mapping, or a list of mappings"),
        (
            "a: 1\nb: ${NOT_SET}",
            (
                "f:2: b: the environment variable NOT_SET is not set (set it, or give a default: "
                "${NOT_SET:-default})"
            ),
        ),
        (
            "a: ${x",
            (
                "f:1: a: `${` is not followed by a variable name (write ${NAME} or ${NAME:-default}; "
                "write $${ for the characters ${)"
            ),
        ),
        (
            "a: ${1}",
            (
                "f:1: a: `${` is not followed by a variable name (write ${NAME} or ${NAME:-default}; "
                "write $${ for the characters ${)"
            ),
        ),
        (
            "a:\n\tb: 1",
            (
                "f:2: invalid YAML: found character that cannot start any token (use blanks for "
                "indentation, not tabs)"
            ),
        ),
        ("a: \x07", "f:1: invalid YAML: an unprintable character"),
        ("[" * 200_000, f"f:1: nested more than {MAX_DEPTH} levels deep"),
        ("a: " + "{b: " * 60, f"f:1: nested more than {MAX_DEPTH} levels deep"),
    ],
)
def test_what_is_refused_says_where_and_why(written: str, problem: str) -> None:
    assert problems(written) == [problem]


@pytest.mark.parametrize(
    ("written", "line"),
    [("a: b: c", 1), ("a: 1\nb: 'x", 2), ("a: 1\n\tb: 2", 2), ("a: {b: 1", 1), ("a: 1\nb\n", 2)],
)
def test_what_is_not_yaml_names_its_line(written: str, line: int) -> None:
    (problem,) = problems(written)
    assert problem.startswith(f"f:{line}: invalid YAML: ")


@pytest.mark.parametrize("shape", ["[{}]", "{{{}}}"])
def test_aliases_of_aliases_do_not_blow_up(shape: str) -> None:
    names = "abcdefghij"
    lines = ["a: &a x"]
    for before, name in pairwise(names):
        members = (f"*{before} " if shape == "[{}]" else f"k{number}: *{before} " for number in range(10))
        lines.append(f"{name}: &{name} " + shape.format(",".join(members)))
    (problem,) = problems("\n".join(lines))
    assert problem.endswith(": more than 100000 values")


def test_every_problem_is_found_not_only_the_first() -> None:
    assert [line.split(": ")[1] for line in problems("a: ${X}\nb: 1\nb: 2\nc: !x 1\nd: ${Y}")] == [
        "a",
        "b",
        "c",
        "d",
    ]


def test_every_value_knows_its_line_and_whether_it_was_filled_in() -> None:
    table, _ = read("a:\n  b: ${KEY}\n  c:\n  - 1\n  - 2\n", "f", ENVIRON)
    inner = table.entries["a"]
    assert isinstance(inner, Table)
    b = inner.entries["b"]
    assert isinstance(b, Scalar)
    assert (str(b.source), b.filled, str(inner.named("c"))) == ("f:2", True, "f:3")
    assert str(inner.entries["c"].items[1].source) == "f:5"  # type: ignore[union-attr]


@given(st.text())
def test_any_text_is_read_or_refused_with_a_message(text: str) -> None:
    _, found = read(text, "f", ENVIRON)
    assert all(problem.message for problem in found)


PIECES = st.sampled_from(
    [
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "'",
        '"',
        "&x ",
        "*x",
        "!!str ",
        "? ",
        ": ",
        "${KEY}",
        "${",
        "<<: ",
        "|",
        ">",
        "#",
        "---\n",
        "~",
        "1.5",
        "\t",
        "%",
        "@",
        "`",
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_anything_that_looks_like_yaml_is_read_or_refused(text: str) -> None:
    table, _ = read(text, "f", ENVIRON)
    assert isinstance(table, Table)

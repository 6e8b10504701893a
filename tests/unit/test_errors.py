"""Each error says in one sentence what is wrong, and where."""

from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import CallFailed, ConfigError, Problem, RequestFailed, WireError, has_part, setting_path


def test_a_wire_error_begins_with_its_path() -> None:
    assert str(WireError("is missing", "messages[0].role")) == "messages[0].role: is missing"
    assert str(WireError("is no JSON")) == "is no JSON"


def test_a_failed_request_has_the_words_of_its_fault() -> None:
    fault = ir.Fault("not_found", "There is none.")
    assert (str(RequestFailed(fault)), RequestFailed(fault).fault) == ("There is none.", fault)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"error": {"message": "No."}}, "No."),
        ({"error": "No."}, "No."),
        ({"message": "No."}, "No."),
        ("No.", "No."),
        ({"error": {}}, "The gateway answered with the status 500."),
        (None, "The gateway answered with the status 500."),
    ],
)
def test_a_failed_call_has_the_words_of_any_protocol(error: Any, told: str) -> None:
    assert str(CallFailed(500, error)) == told


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (Problem("a.b", "is wrong", "f.yaml", 3, "write c"), "f.yaml:3: a.b: is wrong (write c)"),
        (Problem("a.b", "is wrong", "NAME"), "NAME: a.b: is wrong"),
        (Problem("", "is wrong"), "is wrong"),
    ],
)
def test_a_problem_names_its_place_and_its_setting(problem: Problem, told: str) -> None:
    assert str(problem) == told


def test_a_configuration_error_has_all_problems() -> None:
    first, second, odd = Problem("a", "is wrong"), Problem("b", "is wrong"), Problem("c", "is odd")
    error = ConfigError(first, second, warnings=[odd])
    assert str(error) == "a: is wrong\nb: is wrong"
    assert (error.problems, error.warnings) == ((first, second), (odd,))


@pytest.mark.parametrize(
    ("path", "name", "joined"),
    [("", "a", "a"), ("a", "b-1", "a.b-1"), ("a", "b.c", 'a."b.c"'), ("a", 'b"c', 'a."b\\"c"')],
)
def test_the_path_of_an_entry(path: str, name: str, joined: str) -> None:
    assert setting_path(path, name) == joined


@pytest.mark.parametrize(
    ("part", "inside"),
    [
        ("limits.day", True),
        ("limits.day.requests", True),
        ("limits.day[0]", True),
        ("limits.days", False),
        ("limits.days.requests", False),
        ("limits", False),
    ],
)
def test_a_part_of_a_setting_is_not_one_whose_name_is_longer(part: str, inside: bool) -> None:
    assert has_part("limits.day", ["other", part]) is inside

"""Rules that check the values in a client's body. Their errors have OpenAI's words, if OpenAI has such an
error.

A rule is a function that takes a value and the value's JSON path (without `$.`: `messages[0].role`), and
raises WireError for an invalid value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeAlias

from dragoman.errors import WireError
from dragoman.wire.dataurl import base64_flaw, flaw, is_data_url

Rule: TypeAlias = Callable[[Any, str], None]


# --- Errors ------------------------------------------------------------------------------------

_KINDS: Final = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    type(None): "null",
}


def wrong_type(path: str, expected: str, value: Any) -> NoReturn:
    """Always raise WireError: the value at `path` has the wrong type. expected: the right type in words ("a
    string").
    """
    got = _KINDS.get(type(value), "something else")
    raise WireError(
        f"Invalid type for '{path}': expected {expected}, but got {got} instead.", path, "invalid_type"
    )


def missing(path: str) -> NoReturn:
    """Always raise WireError: the required member at `path` is missing."""
    raise WireError(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def empty_array(path: str) -> NoReturn:
    """Always raise WireError: the list at `path` is empty, but must not be."""
    raise WireError(
        f"Invalid '{path}': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead.",
        path,
        "empty_array",
    )


def too_long(path: str, value: list[Any], most: int) -> NoReturn:
    """Always raise WireError: the list at `path` has more than `most` entries. The caller has found this."""
    raise WireError(
        f"Invalid '{path}': array too long. Expected an array with maximum length {most}, "
        f"but got an array with length {len(value)} instead.",
        path,
        "array_above_max_length",
    )


def not_one_of(path: str, value: Any, allowed: tuple[str, ...]) -> NoReturn:
    """Always raise WireError: the value at `path` is not one of the allowed words."""
    words = ", ".join(f"'{word}'" for word in allowed)
    raise WireError(f"Invalid value: '{value}'. Supported values are: {words}.", path, "invalid_value")


# --- Rules -------------------------------------------------------------------------------------


def _typed(kind: type, expected: str) -> Rule:
    def rule(value: Any, path: str) -> None:
        if type(value) is not kind:
            wrong_type(path, expected, value)

    return rule


a_string = _typed(str, "a string")
a_boolean = _typed(bool, "a boolean")
an_object = _typed(dict, "an object")


def number(low: float | None = None, high: float | None = None) -> Rule:
    """Make the rule: the value is a number (not a boolean) from `low` to `high`, both included; None = no
    limit.
    """

    def rule(value: Any, path: str) -> None:
        if type(value) is not float and type(value) is not int:
            wrong_type(path, "a decimal", value)
        _bounded(value, path, "decimal", low, high)

    return rule


def complaint(text: str) -> tuple[str, str]:
    """Split the text of a msgspec.ValidationError into (the message, the value's JSON path without `$` and a
    dot after it: `a[0]`); "" as the path = the whole value is meant.
    """
    # The last such words are msgspec's own. Earlier ones may stand in a value that it quotes.
    what, placed, path = text.rpartition(" - at `$")
    return (what, path.removesuffix("`").removeprefix(".")) if placed else (text, "")


OUT_OF_RANGE: Final = re.compile(r"Expected `\w+` (>=|<=) (-?[\d.]+)")
"""Matches msgspec's words for a number that is too small or too large. Groups: the sign, the limit."""


def integer(low: int | None = None, high: int | None = None) -> Rule:
    """Make the rule: the value is an integer (not a boolean, and not 1.0) from `low` to `high`, both
    included; None = no limit.
    """

    def rule(value: Any, path: str) -> None:
        if type(value) is not int:
            wrong_type(path, "an integer", value)
        _bounded(value, path, "integer", low, high)

    return rule


def _bounded(value: float, path: str, kind: str, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        limit, side = f">= {low}", "below_min"
    elif high is not None and value > high:
        limit, side = f"<= {high}", "above_max"
    else:
        return
    words = side.replace("_min", " minimum").replace("_max", " maximum")
    raise WireError(
        f"Invalid '{path}': {kind} {words} value. Expected a value {limit}, but got {value} instead.",
        path,
        f"{kind}_{side}_value",
    )


def one_of(*allowed: str) -> Rule:
    """Make the rule: the value is a string, and one of these words."""

    def rule(value: Any, path: str) -> None:
        a_string(value, path)
        if value not in allowed:
            not_one_of(path, value, allowed)

    return rule


def list_of(rule: Rule, *, empty: bool = True) -> Rule:
    """Make the rule: the value is a list whose entries obey `rule`. empty: whether the list may be empty."""

    def check_list(value: Any, path: str) -> None:
        if type(value) is not list:
            wrong_type(path, "an array", value)
        if not value and not empty:
            empty_array(path)
        for index, item in enumerate(value):
            rule(item, f"{path}[{index}]")

    return check_list


strings = list_of(a_string)
objects = list_of(an_object)


def members(**rules: Rule) -> Rule:
    """Make the rule: the value is an object, and each JSON member obeys the rule of its name. A member that
    has no rule, is null or is missing is accepted.
    """

    def check_members(value: Any, path: str) -> None:
        an_object(value, path)
        for member, rule in rules.items():
            if (stated := value.get(member)) is not None:
                rule(stated, f"{path}.{member}")

    return check_members


def require(holder: dict[str, Any], member: str, rule: Rule, path: str) -> None:
    """Check the JSON member `member` of an object by a rule. Raises WireError also if the member is missing
    or null. holder: the object. path: the object's JSON path.
    """
    value = holder.get(member)
    if value is None:
        missing(f"{path}.{member}")
    rule(value, f"{path}.{member}")


def short(text: str, limit: int, path: str) -> None:
    """Raise WireError if a text has more than `limit` characters. path: its JSON path."""
    if len(text) > limit:
        raise WireError(
            f"Invalid '{path}': string too long. Expected a string with maximum length {limit}, "
            f"but got a string with length {len(text)} instead.",
            path,
            "string_above_max_length",
        )


# --- Files in the body -------------------------------------------------------------------------


def an_address(value: Any, path: str) -> None:
    """A rule: the value is a string and, if it is a data URL, its data is valid (`flaw`). Other strings are
    not checked.
    """
    a_string(value, path)
    if is_data_url(value) and (what := flaw(value)) is not None:
        _broken(path, "data URL", what)


def in_base64(value: Any, path: str) -> None:
    """A rule: the value is a text in base64, standard or URL-safe, and not empty. White space is ignored."""
    if type(value) is not str:
        a_string(value, path)
    if (what := base64_flaw(value)) is not None:
        _broken(path, "base64", what)


def data_or_address(value: Any, path: str) -> None:
    """A rule: the value is a text that begins with `http://` or `https://`, a data URL with valid data, or
    bare base64.
    """
    a_string(value, path)
    if is_data_url(value):
        an_address(value, path)
    elif not value.startswith(("http://", "https://")):
        in_base64(value, path)


_FLAWS: Final = {
    "no comma": "it has no comma",
    "no data": "it contains no data",
    "no base64": "it is not base64",
    "too many escapes": "a file of this size must be base64",
}


def _broken(path: str, expected: str, what: str) -> None:
    raise WireError(f"Invalid '{path}': broken {expected}, {_FLAWS[what]}.", path, "invalid_value")


# --- Conversations -----------------------------------------------------------------------------


def conversation(messages: Any, by_role: Mapping[str, Rule], bound: frozenset[str] = frozenset()) -> None:
    """Check the value of `messages`: a list with at least one message, in which each message obeys the rule
    of its role. Raises WireError for the first mistake. by_role: role -> rule; other roles are refused.
    bound: the roles whose rule checks every message; a message of another role that has only a role and a
    text as its content is accepted unchecked.
    """
    if type(messages) is not list:
        raise WireError(
            "messages is required and must be an array",
            "messages",
            "missing_required_parameter" if messages is None else "invalid_type",
        )
    if not messages:
        empty_array("messages")
    for index, message in enumerate(messages):
        if type(message) is not dict:
            wrong_type(f"messages[{index}]", "an object", message)
        role = message.get("role")
        rule = by_role.get(role) if type(role) is str else None
        if rule is None:
            _wrong_role(role, f"messages[{index}].role", tuple(by_role))
        # Most messages have only a role and a text, and then there is nothing more to check.
        if len(message) != 2 or type(message.get("content")) is not str or role in bound:
            rule(message, f"messages[{index}]")


def _wrong_role(role: Any, path: str, allowed: tuple[str, ...]) -> NoReturn:
    if role is None:
        missing(path)
    a_string(role, path)
    not_one_of(path, role, allowed)


def check_members(body: Mapping[str, Any], rules: Mapping[str, Rule], *needed: str) -> None:
    """Check the top-level members of a body: each member that is not null must obey the rule of its name, if
    there is one. Raises WireError for the first mistake. needed: names of members that must be present and
    not null.
    """
    for member in needed:
        if body.get(member) is None:
            missing(member)
    for key, value in body.items():
        if value is not None and (rule := rules.get(key)) is not None:
            rule(value, key)

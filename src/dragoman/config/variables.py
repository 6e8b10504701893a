"""Environment variables in a setting's text: `${NAME}`, `${NAME:-default}`, and `$${` for a plain `${`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_VARIABLE: Final = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?", re.ASCII)


class Trouble(NamedTuple):
    """Why a variable could not be replaced, and how to correct it."""

    message: str
    hint: str


class Filled(NamedTuple):
    """A text in which the variables were replaced. variables: the names of all variables in the text.
    troubles: one for each variable that could not be replaced.
    """

    text: str
    variables: tuple[str, ...]
    troubles: tuple[Trouble, ...]


def has_variables(text: str) -> bool:
    """True if the text contains `${`."""
    return "${" in text


def fill(text: str, environ: Mapping[str, str]) -> Filled:
    """Replace the variables in a text by their values. An empty variable takes its default, as in a shell."""
    names: list[str] = []
    troubles: list[Trouble] = []

    def value(match: re.Match[str]) -> str:
        whole, name, default = match[0], match[1], match[2]
        if whole == "$${":
            return "${"
        if name is None:
            troubles.append(
                Trouble(
                    "`${` is not followed by a variable name",
                    "write ${NAME} or ${NAME:-default}; write $${ for the characters ${",
                )
            )
            return ""
        names.append(name)
        found = environ.get(name)
        if found is None and default is None:
            troubles.append(
                Trouble(
                    f"the environment variable {name} is not set",
                    f"set it, or give a default: ${{{name}:-default}}",
                )
            )
        return found or default or ""

    return Filled(_VARIABLE.sub(value, text), tuple(names), tuple(troubles))

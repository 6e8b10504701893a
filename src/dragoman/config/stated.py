"""Reads a section of the configuration that somebody states as JSON at run time, with the same errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeVar

from dragoman.config.decode import Decoder
from dragoman.config.limits import Bounds
from dragoman.config.mapping_reader import read_node
from dragoman.config.section import Section
from dragoman.config.tree import Source
from dragoman.errors import Problem

S = TypeVar("S", bound=Section)
_SOURCE: Final = Source("the request")


def read_section(kind: type[S], value: Any, path: str) -> tuple[S, list[Problem]]:
    """A section as JSON, and its problems. Variables (`${NAME}`) are unset in it. path: its place, for the
    problems.
    """
    node, problems = read_node(value, path, {}, _SOURCE)
    decoder = Decoder(Path())
    section = decoder.section(kind, node, path)
    return section, [*problems, *decoder.problems]


def stated_bounds(value: Any) -> tuple[Bounds, list[Problem]]:
    """The limits of a key, tenant, team or user (`limits`)."""
    return read_section(Bounds, value, "limits")

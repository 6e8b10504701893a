"""Reads limits that somebody states as JSON at run time, with the errors of the configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from dragoman.config.decode import INVALID, Decoder
from dragoman.config.limits import Bounds
from dragoman.config.mapping_reader import read_node
from dragoman.config.tree import Source
from dragoman.errors import Problem

_SOURCE: Final = Source("the request")


def stated_bounds(value: Any) -> tuple[tuple[Bounds, ...], list[Problem]]:
    """The limits of a key, tenant, team or user (`limits`), stated as JSON, and their problems. Variables
    (`${NAME}`) are unset in them.
    """
    node, problems = read_node(value, "limits", {}, _SOURCE)
    decoder = Decoder(Path())
    found = decoder.read(tuple[Bounds, ...], node, "limits")
    return (() if found is INVALID else found), [*problems, *decoder.problems]

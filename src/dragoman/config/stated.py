"""Reads limits that a caller states as JSON at run time, by the rules for those of a configuration file."""

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
    """Return (the limits of a key, tenant, team or user; their problems). value: the JSON value of `limits`.
    If it cannot be read, the limits are (). No environment variable counts as set: `${NAME}` is a problem.
    """
    node, problems = read_node(value, "limits", {}, _SOURCE)
    decoder = Decoder(Path())
    found = decoder.read(tuple[Bounds, ...], node, "limits")
    return (() if found is INVALID else found), [*problems, *decoder.problems]

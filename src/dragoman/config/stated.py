"""Reads limits that are stated as JSON at run time, for example by an operator's request to `/admin`. The
rules are those for limits in a configuration file.
"""

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
    Use the limits only if there are no problems: otherwise they are () or incomplete. No environment variable
    counts as set: `${NAME}` without a default is a problem.
    """
    node, problems = read_node(value, "limits", {}, _SOURCE)
    decoder = Decoder(Path())
    found = decoder.read(tuple[Bounds, ...], node, "limits")
    return (() if found is INVALID else found), [*problems, *decoder.problems]

"""What is asked of an upstream, and what one may leave unsaid."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager

from dragoman import ir
from dragoman.dialects.dialect import USUAL_FEATURES
from dragoman.upstreams.simulate import SimulateUpstream
from dragoman.upstreams.upstream import Batches, Call, Native, native


class Stated:
    name = "stated"
    native = Native(frozenset({"json"}), "[a-z]+")

    def chat(self, request: ir.Request, call: Call) -> AbstractAsyncContextManager[Batches]:
        raise AssertionError


def test_an_upstream_takes_what_it_says() -> None:
    assert native(Stated()) is Stated.native


def test_one_that_says_nothing_takes_everything() -> None:
    everything = native(SimulateUpstream())
    assert everything.features == USUAL_FEATURES
    assert re.fullmatch(everything.tool_name, "any name\n/at all")

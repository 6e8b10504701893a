"""The settings themselves: their defaults, and what they make of each other."""

from collections.abc import Callable
from typing import TypeAlias

from dragoman.config.load import Loaded
from dragoman.config.scalars import Duration
from dragoman.config.settings import Config, Timeouts

Load: TypeAlias = Callable[..., Loaded]


def test_the_defaults_are_what_the_documentation_promises(loaded: Load) -> None:
    config = loaded("").config
    assert config == Config() == loaded().config
    assert (config.server.host, config.server.port, config.server.max_body) == ("127.0.0.1", 8080, 64_000_000)
    assert [float(config.server.heartbeat), float(config.server.drain)] == [15, 600]


def test_timeouts_of_a_model_go_over_its_providers(loaded: Load) -> None:
    text = """
providers: {openai: {keys: k, timeouts: {connect: 3s, idle: 1m}}}
models: {m: {use: openai/gpt-5, timeouts: {idle: 2m, total: 0}}}
"""
    config = loaded(text).config
    merged = config.models["m"].timeouts.over(config.providers.named["openai"].timeouts)
    assert merged == Timeouts(
        connect=Duration(3), first_byte=Duration(600), idle=Duration(120), total=Duration(0)
    )

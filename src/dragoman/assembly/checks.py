"""Starts the background checks of the providers for which the configuration wants checks."""

from __future__ import annotations

from collections.abc import Callable

from dragoman.assembly.assemble import Assembly
from dragoman.config.settings import Config
from dragoman.engine.checks import Checked, Checks
from dragoman.routing.event import Event
from dragoman.routing.health import Health
from dragoman.seams.clock import Seams


def checks_of(
    config: Config,
    assembly: Assembly,
    health: Health,
    seams: Seams,
    told: Callable[[Event], None] | None = None,
) -> Checks | None:
    """Start the checks, and return them; None = no provider is to be checked. Call this in one process of a
    machine only. Earlier checks are not stopped. Upstreams that were made in code, and providers without a
    list of models, are not checked. health: gets the results. told: called with each event that an operator
    has to know; None = events are only logged.
    """
    checked = [
        Checked(upstream, check.every, check.wait, check.when)
        for name, upstream in assembly.providers.items()
        if (check := config.providers.named[name].check).every and upstream.lists_models
    ]
    return Checks(checked, health, assembly.deadlines, seams, told=told) if checked else None

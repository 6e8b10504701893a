"""Starts the background checks of those providers for which the configuration wants checks."""

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
    """Start the checks, and return them; None = no provider is to be checked. Only one process of a machine
    may call this. An upstream that was made in code is not checked, nor a provider without a list of models.
    health: learns the results. told: called with the events that an operator has to know, as in `Checks`.
    """
    checked = [
        Checked(upstream, check.every, check.wait, check.when)
        for name, upstream in assembly.providers.items()
        if (check := config.providers.named[name].check).every and upstream.lists_models
    ]
    return Checks(checked, health, assembly.deadlines, seams, told=told) if checked else None

"""Checks that the settings of traces and metrics fit together."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.config.check_balancing import Misfit
from dragoman.config.settings import Config


def unseen(config: Config) -> Iterator[Misfit]:
    """The settings of traces and metrics that ask for something that is then never kept or shown. Each
    `place` is a complete path.
    """
    trace, metrics = config.trace, config.metrics
    if trace.bodies and not trace.keep:
        yield Misfit("trace.bodies", "with `trace.keep: 0` no request is kept, nor its body", odd=True)
    elif trace.bodies and trace.max_size < trace.max_body:
        said = f"all bodies together have less room than one (trace.max_body: {trace.max_body})"
        yield Misfit("trace.max_size", said)
    if metrics.public and not metrics.enabled:
        yield Misfit("metrics.public", "with `metrics.enabled: false` there is no page", odd=True)

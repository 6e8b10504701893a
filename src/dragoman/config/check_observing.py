"""Checks that the settings of traces, metrics and checked answers fit together, and that this installation
supports them.
"""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.config.misfit import Misfit
from dragoman.config.settings import Alias, Config, Model
from dragoman.errors import setting_path
from dragoman.seams.extras import command as added_by
from dragoman.verify.bounds import available


def unseen(config: Config) -> Iterator[Misfit]:
    """Yield the mistakes in the settings of traces and metrics: bodies of requests that are never stored, too
    little room for a body, and a public page of metrics although there is none. Each `place` is a complete
    path.
    """
    trace, metrics = config.trace, config.metrics
    if trace.bodies and not trace.body:
        yield Misfit("trace.bodies", "with `trace.keep: 0` no request is kept, nor its body", odd=True)
    elif trace.bodies and trace.max_size < trace.max_body:
        said = f"all bodies together have less room than one (trace.max_body: {trace.max_body})"
        yield Misfit("trace.max_size", said)
    if metrics.public and not metrics.enabled:
        yield Misfit("metrics.public", "with `metrics.enabled: false` there is no page", odd=True)


def unchecked(config: Config) -> Iterator[Misfit]:
    """Yield a mistake for each `check_output: true`; none if this installation can check answers (it has the
    extra `schema`). Each `place` is a complete path.
    """
    if available():
        return
    places: dict[str, Config | Model | Alias] = {"": config}
    places |= {setting_path("models", name): model for name, model in config.models.items()}
    places |= {setting_path("aliases", name): alias for name, alias in config.aliases.items()}
    for path, place in places.items():
        if place.check_output:
            said = "responses cannot be validated in this installation"
            yield Misfit(setting_path(path, "check_output"), said, added_by("schema"))

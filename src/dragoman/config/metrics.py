"""The settings of `/metrics`."""

from __future__ import annotations

from typing import Annotated

from dragoman.config.section import Section, about


class Metrics(Section, frozen=True):
    """Metrics for Prometheus, at `/metrics`."""

    enabled: Annotated[bool, about(env="DRAGOMAN_METRICS")] = True
    """Whether requests are counted. Without it `/metrics` answers 404."""
    public: Annotated[bool, about(env="DRAGOMAN_METRICS_PUBLIC")] = False
    """Whether `/metrics` needs no key. By default it needs a key with the scope `admin`, like `/admin/…`. The
    page names providers and models and shows how much they are used; it has no prompt and no key."""

"""Settings for fetching and using a provider's own list of models."""

from __future__ import annotations

from typing import ClassVar

from dragoman.config.scalars import Duration
from dragoman.config.section import Section


class Discovery(Section, frozen=True):
    """The provider's own list of models.

    `dragoman serve` fetches the list in the background, in one process for all workers, and keeps it over
    restarts. Clients see the names of the list in the gateway's list of models and can use them. The context
    and output limits that the list states are used. If the list cannot be fetched again, the old one stays in
    use until it can.
    """

    shorthand: ClassVar[str | None] = "enabled"

    enabled: bool = True
    """Whether the list is fetched and used."""
    ttl: Duration = Duration(3600)
    """After how long the list is fetched again. At least 10s. Up to a tenth is subtracted at random, so that
    not all lists are fetched at once. After a failure it is tried again after 30s at first, if that is
    sooner."""
    allow: tuple[str, ...] = ("*",)
    """The names of the list that are used: exact names, or patterns in which `*` stands for any text."""
    deny: tuple[str, ...] = ()
    """The names of the list that are not used, even if `allow` has them. Requests can still name such a model
    as `provider/model`; what a client may use, its key says."""

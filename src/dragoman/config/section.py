"""The base class of every group of settings."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings.

    shorthand: the setting that gets the value if the operator writes one value instead of a mapping
    (`gpt-4o: openai/gpt-5` means `gpt-4o: {route: openai/gpt-5}`). rest: the setting that collects all
    entries with names of the operator's choice. in_environment: True = an environment variable sets each
    setting: `DRAGOMAN_PORT` sets `port`.
    """

    shorthand: ClassVar[str | None] = None
    rest: ClassVar[str | None] = None
    in_environment: ClassVar[bool] = False

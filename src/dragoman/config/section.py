"""What all groups of settings are."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings.

    shorthand: the setting that a single value stands for (`gpt-4o: openai/gpt-5` is `{route: …}`).
    rest: the setting that collects entries under names of the operator's choice.
    """

    shorthand: ClassVar[str | None] = None
    rest: ClassVar[str | None] = None

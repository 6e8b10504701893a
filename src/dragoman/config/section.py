"""The base class of every group of settings, and the class of the facts about one setting."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings.

    shorthand: the setting that gets the value if the operator writes a single value, a list or a secret's
    `{file: …}` instead of a mapping: `gpt-4o: openai/gpt-5` means `gpt-4o: {route: openai/gpt-5}`. None =
    only a mapping is accepted. rest: the setting that collects all entries whose names the operator chooses;
    None = there are no such entries. in_environment: True = an environment variable sets each setting:
    `DRAGOMAN_PORT` sets `port`.
    """

    shorthand: ClassVar[str | None] = None
    rest: ClassVar[str | None] = None
    in_environment: ClassVar[bool] = False


class about(msgspec.Struct, frozen=True):  # noqa: N801 - reads as a word in `Annotated[int, about(ge=1)]`
    """The facts about one setting besides its type, its default and its meaning (the string below it).

    unit: the unit of a plain number. env: the environment variable that sets it; None = there is none, or the
    section has `in_environment`. default: the effect of the default in words; None = the default value itself
    says enough. ge, le: the smallest and the largest allowed number. secret: True = texts in the value may be
    secrets and are never shown.
    """

    unit: str | None = None
    env: str | None = None
    default: str | None = None
    ge: int | None = None
    le: int | None = None
    secret: bool = False

"""The base class of every group of settings, and the class of the facts about one setting."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings, which is written as a mapping. Names that are not declared are refused, unless
    `rest` collects them.

    shorthand: the name of the setting that gets the value if the operator writes a single value or a list
    instead of a mapping (or `{file: …}`, if this setting is a secret): with "route", `gpt-4o: openai/gpt-5`
    means `gpt-4o: {route: openai/gpt-5}`. None = only a mapping or null is accepted. rest: the name of the
    setting (a mapping) that collects all entries whose names are not declared, because the operator chooses
    them; None = there are no such entries. in_environment: True = each setting has an environment variable:
    `DRAGOMAN_PORT` sets `port`.
    """

    shorthand: ClassVar[str | None] = None
    rest: ClassVar[str | None] = None
    in_environment: ClassVar[bool] = False


class about(msgspec.Struct, frozen=True):  # noqa: N801 - reads as a word in `Annotated[int, about(ge=1)]`
    """The facts about one setting besides its type, its default and its meaning (the string below it).

    unit: the unit of a plain number. env: the environment variable that sets it; None = there is none, or the
    section has `in_environment`. default: the effect of the default in words; None = the default value itself
    says enough. ge, le: the smallest and the largest allowed number, for an int or a `Size`; None = any.
    secret: True = texts in the value may be secrets: they are masked where settings are shown, and error
    messages do not contain them.
    """

    unit: str | None = None
    env: str | None = None
    default: str | None = None
    ge: int | None = None
    le: int | None = None
    secret: bool = False

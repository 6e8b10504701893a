"""The description of one setting: its meaning, unit, bounds and environment variable. Reads nothing."""

from __future__ import annotations

import msgspec


class about(msgspec.Struct, frozen=True):  # noqa: N801 - reads as a word in `Annotated[int, about("…")]`
    """The description of one setting.

    text: the meaning of the setting. unit: the unit of a plain number. env: the environment variable that
    sets it. default: the effect of the default in words; None = the default value itself says enough.
    ge, le: the smallest and the largest allowed number. secret: True = texts in the value may be secrets and
    are never shown.
    """

    text: str
    unit: str | None = None
    env: str | None = None
    default: str | None = None
    ge: int | None = None
    le: int | None = None
    secret: bool = False

"""What is to be said about a setting, beside its name, type and default value. Reads nothing."""

from __future__ import annotations

import msgspec


class about(msgspec.Struct, frozen=True):  # noqa: N801 - reads as a word in `Annotated[int, about("…")]`
    """What is to be said about a setting.

    text: what it means. unit: of a plain number. env: the environment variable that sets it. default:
    what happens without it, where the default value does not say so itself. ge, le: bounds, inclusive.
    secret: whether texts in it may be secrets, so that they are not shown.
    """

    text: str
    unit: str | None = None
    env: str | None = None
    default: str | None = None
    ge: int | None = None
    le: int | None = None
    secret: bool = False

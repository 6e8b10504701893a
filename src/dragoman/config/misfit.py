"""The mistake that the modules `check_…` yield, and what they have in common to find mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from dragoman.config.locate import is_file


class Misfit(NamedTuple):
    """One mistake. place: the path of the setting, relative to the checked model or section ("" = this model
    or section itself); or a complete path, as each function that yields mistakes says. message: what is
    wrong. hint: what to do instead, None = no hint. odd: True = it is only a warning: the setting does no
    harm, but does not do what its author expects.
    """

    place: str
    message: str
    hint: str | None = None
    odd: bool = False


def within(section: str, found: Iterable[Misfit]) -> Iterator[Misfit]:
    """Yield the mistakes with places that begin with `section`, to which they were relative; "" = with the
    same places.
    """
    for one in found:
        yield one._replace(place=".".join(part for part in (section, one.place) if part))


def ruled(place: str, rule: Callable[..., object], *arguments: object) -> Iterator[Misfit]:
    """Call `rule` with the arguments. If it raises ValueError, yield a mistake with the error's text."""
    try:
        rule(*arguments)
    except ValueError as error:
        yield Misfit(place, str(error))


def no_file(place: str, name: str | None) -> Iterator[Misfit]:
    """Yield a mistake if there is no file of this name; none if the name is None."""
    if name is not None and not is_file(Path(name)):
        yield Misfit(place, f"there is no file {name}")

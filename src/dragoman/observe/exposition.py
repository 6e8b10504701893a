"""Writes metrics in the text format 0.0.4 of Prometheus, which every Prometheus scraper can read.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import isfinite
from typing import Final, TypeAlias

from dragoman.observe.families import Family

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Sets: TypeAlias = Mapping[tuple[str, ...], Sequence[float]]
"""The numbers of a metric by the values of its labels. Each set has as many numbers as the family's
`width`.
"""

_IN_HELP: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_VALUES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def page(metrics: Iterable[tuple[Family, Sets]]) -> bytes:
    """Return the page with these metrics, as UTF-8. metrics: pairs of a metric and its numbers by label
    values. A metric with an empty mapping is left out. A metric without labels has one set: the empty tuple.
    """
    return "".join(line for family, sets in metrics if sets for line in _lines(family, sets)).encode()


def _lines(family: Family, sets: Sets) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help.translate(_IN_HELP)}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for values, numbers in sorted(sets.items()):
        labels = _labels(family, values)
        if family.kind == "histogram":
            yield from _histogram(family, labels, numbers)
        elif family.parts:
            named = family.labels[-1]
            for part, number in zip(family.parts, numbers, strict=True):
                yield _line(family.name, [*labels, _label(named, part)], number)
        else:
            yield _line(family.name, labels, numbers[0])


def _histogram(family: Family, labels: list[str], numbers: Sequence[float]) -> Iterator[str]:
    *buckets, total = numbers
    bounds = [*map(_number, family.bounds), "+Inf"]
    counts = list(accumulate(buckets))
    for bound, count in zip(bounds, counts, strict=True):
        yield _line(f"{family.name}_bucket", [*labels, _label("le", bound)], count)
    yield _line(f"{family.name}_sum", labels, total)
    yield _line(f"{family.name}_count", labels, counts[-1])


def _line(name: str, labels: Sequence[str], number: float) -> str:
    named = f"{{{','.join(labels)}}}" if labels else ""
    return f"{name}{named} {_number(number)}\n"


def _labels(family: Family, values: Sequence[str]) -> list[str]:
    return [_label(name, value) for name, value in zip(family.labels, values, strict=False)]


def _label(name: str, value: str) -> str:
    return f'{name}="{value.translate(_IN_VALUES)}"'


def _number(number: float) -> str:
    """Return a number as the format writes it (which is Go's notation): `+Inf`, `NaN`; a whole number gets no
    decimals.
    """
    if not isfinite(number):
        return f"{number:+}".replace("inf", "Inf").replace("+nan", "NaN")
    return str(int(number)) if number == int(number) else repr(float(number))

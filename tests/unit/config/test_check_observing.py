"""Settings of traces and metrics that do nothing."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Load, Mistakes


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("trace: {keep: 0, bodies: true}", "trace.bodies: with `trace.keep: 0` no request is kept"),
        (
            "metrics: {enabled: false, public: true}",
            "metrics.public: with `metrics.enabled: false` there is no page",
        ),
    ],
)
def test_what_does_nothing_is_a_warning(loaded: Load, text: str, warning: str) -> None:
    (found,) = loaded(text).warnings
    assert str(found).partition(": ")[2].startswith(warning)


def test_bodies_need_room(mistakes: Mistakes, loaded: Load) -> None:
    (found,) = mistakes("trace: {bodies: true, max_body: 10kB, max_size: 9kB}")
    assert "trace.max_size: all bodies together have less room than one (trace.max_body: 10kB)" in found
    assert not loaded("trace: {bodies: true, max_body: 10kB, max_size: 10kB}").warnings
    assert not loaded("trace: {keep: 0, bodies: true, store: sqlite}").warnings
    assert not loaded("trace: {keep: 0}\nmetrics: {enabled: false}").warnings

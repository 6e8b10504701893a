"""The text format, read back by Prometheus' own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from dragoman.observe.exposition import page
from dragoman.observe.families import Family

COUNTER = Family("things_total", "counter", "Things.", ("kind", "place"))
PARTED = Family("parts_total", "counter", "Parts.", ("place", "part"), parts=("in", "out"))
GAUGE = Family("level", "gauge", "A level.\nWith a \\ in it.")
HISTOGRAM = Family("wait_seconds", "histogram", "Waits.", ("place",), bounds=(0.5, 1, 10))


def test_each_kind_is_written_as_the_format_says() -> None:
    written = page(
        [
            (COUNTER, {("b", "x"): [2], ("a", "x"): [1.5]}),
            (PARTED, {("x",): [1, 0]}),
            (GAUGE, {(): [-3]}),
            (HISTOGRAM, {("x",): [1, 0, 2, 4, 99.25]}),
        ]
    )
    assert written.decode() == (
        "# HELP things_total Things.\n"
        "# TYPE things_total counter\n"
        'things_total{kind="a",place="x"} 1.5\n'
        'things_total{kind="b",place="x"} 2\n'
        "# HELP parts_total Parts.\n"
        "# TYPE parts_total counter\n"
        'parts_total{place="x",part="in"} 1\n'
        'parts_total{place="x",part="out"} 0\n'
        "# HELP level A level.\\nWith a \\\\ in it.\n"
        "# TYPE level gauge\n"
        "level -3\n"
        "# HELP wait_seconds Waits.\n"
        "# TYPE wait_seconds histogram\n"
        'wait_seconds_bucket{place="x",le="0.5"} 1\n'
        'wait_seconds_bucket{place="x",le="1"} 1\n'
        'wait_seconds_bucket{place="x",le="10"} 3\n'
        'wait_seconds_bucket{place="x",le="+Inf"} 7\n'
        'wait_seconds_sum{place="x"} 99.25\n'
        'wait_seconds_count{place="x"} 7\n'
    )


def test_a_parser_reads_any_value_and_number_back() -> None:
    odd = 'a "quoted"\\ line\nand é{},='
    numbers = [0.1, 1e-9, 12345678901234567890.0, float("inf")]
    written = page([(COUNTER, {(odd, str(place)): [number] for place, number in enumerate(numbers)})])
    (family,) = text_string_to_metric_families(written.decode())
    assert {sample.labels["kind"] for sample in family.samples} == {odd}
    assert [sample.value for sample in family.samples] == numbers


def test_what_has_no_values_is_left_out() -> None:
    assert page([(COUNTER, {}), (GAUGE, {})]) == b""

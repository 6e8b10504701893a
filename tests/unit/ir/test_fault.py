"""Every kind of fault has an HTTP status, and no other name has one."""

from typing import get_args

import pytest

from dragoman import ir
from dragoman.ir.fault import STATUS, Kind


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_the_status_of_an_error(kind: Kind) -> None:
    assert 400 <= ir.Fault(kind, "").http_status <= 599


def test_no_status_is_left_over() -> None:
    assert STATUS.keys() == set(get_args(Kind))


def test_a_fault_is_known_by_the_id_of_its_request() -> None:
    fault = ir.Fault("upstream", "Broken.")
    assert fault.known_as("req_1").error_id == "req_1"
    assert fault.known_as(None) is fault
    assert fault.known_as("") is fault

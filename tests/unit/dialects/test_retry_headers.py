"""What an error answer says of trying again: clients obey it, and some failures do not pass by themselves."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.failure import retry_headers
from dragoman.dialects.table import DIALECTS

WAITS = ir.Fault("rate_limit", "Slow down.", retry_after=2.4)
SPENT = ir.Fault("quota", "The balance is spent.")
REFUSED = ir.Fault("upstream", "Refused.", code="upstream_credential_refused", blame="gateway")
ABSENT = ir.Fault("upstream", "Not served.", code="upstream_model_not_found", blame="gateway")
BROKEN = ir.Fault("upstream", "Broke.", code="connection_broken", blame="upstream")


@pytest.mark.parametrize(
    ("fault", "headers"),
    [
        (WAITS, {"retry-after": "3"}),
        (SPENT, {"x-should-retry": "false"}),
        (REFUSED, {"x-should-retry": "false"}),
        (ABSENT, {"x-should-retry": "false"}),
        (BROKEN, {}),
    ],
)
def test_what_is_said_of_trying_again(fault: ir.Fault, headers: dict[str, str]) -> None:
    assert retry_headers(fault) == headers


@pytest.mark.parametrize("name", [name for name, one in DIALECTS.items() if name != "openai_completions"])
def test_no_client_tries_again_what_only_the_operator_can_mend(name: str) -> None:
    _, headers, _ = DIALECTS[name].errors.encode(REFUSED, "req_1")
    assert headers["x-should-retry"] == "false"

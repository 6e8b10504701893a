"""What a refusal says about what was sealed, and what a client is told of one."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.routing.outcome import for_client, refuses_sealing, refuses_seals


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("invalid_encrypted_content", "The encrypted content gAAA could not be verified."),
        (None, "The encrypted content for item rs_1 could not be verified. Reason: it was not decrypted."),
        (None, "Corrupted thought signature."),
        (None, "messages.1.content.0: Invalid `signature` in `thinking` block"),
        (None, "Invalid 'signature' in redacted_thinking block."),
        ("INVALID_ARGUMENT", "Thought signature is not valid"),
    ],
)
def test_seals_that_are_not_its_own(code: str | None, message: str) -> None:
    assert refuses_seals(ir.Fault("invalid_request", message, code, blame="upstream"))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("invalid_request", "Encrypted content is not supported with this model."),
        ("invalid_request", "Function call is missing a thought_signature in functionCall parts."),
        ("invalid_request", "Invalid 'messages': expected an array."),
        ("authentication", "Corrupted thought signature."),
        ("upstream", "Corrupted thought signature."),
    ],
)
def test_every_other_refusal(kind: ir.Kind, message: str) -> None:
    assert not refuses_seals(ir.Fault(kind, message, blame="upstream"))


@pytest.mark.parametrize(
    ("param", "kind"), [("input", "not_found"), ("model", "upstream"), (None, "upstream")]
)
def test_whose_it_is_that_something_is_not_there(param: str | None, kind: ir.Kind) -> None:
    missing = ir.Fault("not_found", "There is no such thing.", param=param, status=404, blame="gateway")
    assert for_client(missing).kind == kind


@pytest.mark.parametrize(
    ("status", "message", "refuses"),
    [
        (400, "Encrypted content is not supported with this model.", True),
        (500, "Encrypted content is not supported with this model.", False),
        (400, "The encrypted content gAAA could not be verified.", False),
    ],
)
def test_a_model_without_thoughts_refuses_to_seal_them(status: int, message: str, refuses: bool) -> None:
    assert refuses_sealing(ir.Fault("invalid_request", message, status=status)) is refuses

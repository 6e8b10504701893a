"""Where a provider is called: the model in the path, and nothing else of what a client names."""

import pytest

from dragoman.upstreams.address import Address

GEMINI = "https://h.example/v1beta/models/{model}:streamGenerateContent?alt=sse"


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("gemini-2.5-flash", "gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("a b", "a%20b"),
        ("../../secret", "..%2F..%2Fsecret"),
        ("x?alt=json#y", "x%3Falt%3Djson%23y"),
        ("gemini:deleteModel", "gemini%3AdeleteModel"),
        ("größe", "gr%C3%B6%C3%9Fe"),
    ],
)
def test_a_model_is_one_segment_of_the_path(model: str, named: str) -> None:
    url = Address(GEMINI).of(model)
    assert str(url) == f"https://h.example/v1beta/models/{named}:streamGenerateContent?alt=sse"


def test_an_address_without_a_model_is_the_same_for_all() -> None:
    address = Address("https://h.example/v1/chat/completions")
    assert address.of("a") is address.of("b")
    assert str(address.of("a")) == "https://h.example/v1/chat/completions"


def test_a_known_model_is_not_written_again_and_what_is_remembered_is_bounded() -> None:
    address = Address(GEMINI)
    first = address.of("m")
    assert address.of("m") is first
    for number in range(3000):
        address.of(f"m{number}")
    assert len(address._met) <= 1024

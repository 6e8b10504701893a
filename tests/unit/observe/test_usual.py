"""A block of cells is taken apart into what was counted in it."""

from __future__ import annotations

from dragoman.observe import usual
from dragoman.observe.families import COST, FIRST_TOKEN, OVERHEAD, REQUESTS, TOKENS, UNPRICED

KIND = usual.Kind("POST", "/v1/x", "200", "chat", "gpt", "up", "gpt-5", "200", "relay")


def test_the_parts_of_a_block_lie_side_by_side() -> None:
    block = [float(place) for place in range(usual.WIDTH)]
    found = {
        family.name: (labels, list(numbers)) for family, labels, numbers in usual.metrics(KIND.key, block)
    }
    whole = found["dragoman_http_request_duration_seconds"][1]
    assert [
        *whole,
        *found[OVERHEAD.name][1],
        *found[FIRST_TOKEN.name][1],
        *found[TOKENS.name][1],
        *found[COST.name][1],
        *found[UNPRICED.name][1],
    ] == block
    count = sum(whole[:-1])
    assert found["dragoman_http_requests_total"] == (("POST", "/v1/x", "200"), [count])
    assert found[REQUESTS.name] == (("chat", "gpt"), [count, 0, 0, 0])
    assert found["dragoman_upstream_calls_total"] == (("up", "200"), [count])
    assert found["dragoman_upstream_outcomes_total"] == (("up", "answered"), [count])
    assert found[TOKENS.name][0] == ("up", "gpt-5")
    assert all(len(numbers) == family.width for family, _, numbers in usual.metrics(KIND.key, block))


def test_what_was_no_stream_and_named_no_model_is_not_told_as_one() -> None:
    block = [0.0] * usual.WIDTH
    block[0] = 3.0
    key = KIND._replace(model="").key
    names = {family.name for family, _, _ in usual.metrics(key, block)}
    assert not names & {FIRST_TOKEN.name, TOKENS.name, REQUESTS.name}

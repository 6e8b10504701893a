"""Prices that cannot be meant are refused where they are written."""

from __future__ import annotations

import pytest

from dragoman.config.check_prices import amount, usd
from tests.unit.config.conftest import Load, Mistakes

PROVIDERS = "providers: {openai: {keys: k}, a: {base_url: 'http://127.0.0.1:1', keys: []}}\n"
HEAD = PROVIDERS + "models: {m: a/x}\nprices:\n"


@pytest.mark.parametrize(
    ("entry", "place", "said"),
    [
        ("a/x: {}", 'prices."a/x"', "states no price"),
        ("x: {input: 1, output: 1}", "prices.x", "no model has this name"),
        ("a/x: {inptu: 1}", 'prices."a/x".inptu', "unknown unit (did you mean input?)"),
        ("a/x: {input: -1, output: 1}", 'prices."a/x".input', "expected a number"),
        ("a/x: {input: 10001, output: 1}", 'prices."a/x".input', "more than 10,000 USD"),
        ("a/x: {input: 1, output: 1, images: 10001}", 'prices."a/x".images', "more than 10,000 USD"),
        (
            "a/x: {input: 1, output: 1, since: soon}",
            'prices."a/x".since',
            "expected a date such as 2026-12-31",
        ),
        ("a/x: {input: 1, output: 1, since: 2026-02-30}", 'prices."a/x".since', "expected a date"),
        (
            "a/x: {input: 1, output: 1, tiers: {batch: {in: 1}}}",
            'prices."a/x".tiers.batch.in',
            "unknown unit",
        ),
        (
            "a/x: {input: 1, output: 1, long_prompts: [{above: 5, input: 2}, {above: 5, input: 3}]}",
            'prices."a/x".long_prompts[1].above',
            "5 is stated twice",
        ),
        (
            "a/x: {pages: 1, since: 2027-01-01, later: [{since: 2026-01-01, pages: 1}]}",
            'prices."a/x".later[0].since',
            "is not after the price before it",
        ),
        # The packaged table has 1.25 and 10.
        (
            "openai/gpt-5: {input: 12.5, output: 10}",
            'prices."openai/gpt-5"',
            "12.5 USD per million for input of",
        ),
        ("openai/gpt-5: {input: 1.25, output: 1}", 'prices."openai/gpt-5"', "is far from 10 USD per million"),
    ],
)
def test_what_cannot_be_meant_is_refused(mistakes: Mistakes, entry: str, place: str, said: str) -> None:
    (problem,) = mistakes(HEAD + f"  {entry}\n")
    assert place in problem
    assert said in problem


@pytest.mark.parametrize(
    "entry",
    [
        "openai/gpt-5: {input: 12.5, output: 10, cache_read: 1, confirm: true}",
        "openai/gpt-5: {input: 12.4, output: 10, cache_read: 1.2}",
        "openai/gpt-5: {input: 0, output: 0}",  # free on purpose
        "a/x: {input: 9999, output: 9999}",  # nobody knows another price
        "'*': {input: 100, output: 100}",  # no deployment of this configuration is known to the table
        "a/x: {input_minutes: 0.006, web_search_requests: 10}",
    ],
)
def test_what_is_meant(loaded: Load, entry: str) -> None:
    assert loaded(HEAD + f"  {entry}\n").warnings == ()


def test_a_pattern_is_compared_for_the_deployments_that_are_named(mistakes: Mistakes) -> None:
    text = HEAD.replace("m: a/x", "m: openai/gpt-5") + "  'openai/*': {input: 100, output: 10}\n"
    (problem,) = mistakes(text)
    assert "100 USD per million for input of openai/gpt-5 is far from 1.25 USD per million" in problem
    assert "confirm: true" in problem


@pytest.mark.parametrize(
    ("price", "place", "said"),
    [
        (
            "{input: 12.5, output: 10}",
            "input",
            "12.5 USD per million for input of openai/gpt-5 is far from 1.25",
        ),
        ("{input: 1.25, output: 10, tiers: {flex: {output: 0.1}}}", "tiers.flex.output", "for output of"),
        ("{input: 12.5, output: 10, confirm: true}", "", ""),
        ("{input: 12.4, output: 10}", "", ""),
        ("{input: 0, output: 0}", "", ""),
    ],
)
def test_a_deployments_own_price_is_compared(loaded: Load, price: str, place: str, said: str) -> None:
    text = f"{PROVIDERS}models:\n  m: {{deployments: [a/y, {{use: openai/gpt-5, price: {price}}}]}}\n"
    warnings = loaded(text).warnings
    if not place:
        assert warnings == ()
        return
    (warning,) = warnings
    assert (warning.path, warning.hint) == (f"models.m.deployments[1].price.{place}", "confirm: true")
    assert said in warning.message


def test_it_is_compared_with_prices_if_they_have_it(loaded: Load) -> None:
    text = PROVIDERS + "models: {m: {deployments: [{use: a/x, price: {input: 1, output: 2}}]}}\nprices:\n"
    assert loaded(text + "  a/x: {input: 2, output: 2}\n").warnings == ()
    (warning,) = loaded(text + "  a/x: {input: 10, output: 2}\n").warnings
    assert "1 USD per million for input of a/x is far from 10 USD per million" in warning.message


def test_what_is_probably_not_meant_is_a_warning(loaded: Load) -> None:
    (warning,) = loaded(HEAD + "  a/x: {input: 1}\n").warnings
    assert "what an answer with text costs is unknown" in warning.message
    (warning,) = loaded(HEAD + "  openai/gpt-5: {input: 1, output: 9}\n").warnings
    assert "cached tokens cost as much as others" in warning.message
    assert warning.hint == "cache_read: 0.125"
    text = (
        "providers: {a: {base_url: 'http://127.0.0.1:1', keys: []}}\nmodels:\n"
        "  one: {deployments: [{use: a/x, price: {input: 1, output: 1}}]}\n"
        "  two: {deployments: [{use: a/x, price: {input: 2, output: 1}}]}\n"
    )
    (warning,) = loaded(text).warnings
    assert (warning.path, "another model states another price of a/x" in warning.message) == (
        "models.two.deployments[0].price",
        True,
    )


def test_the_table_makes_prices_known(loaded: Load, mistakes: Mistakes) -> None:
    text = (
        PROVIDERS
        + "models: {m: {policy: cost, max_cost: 2, deployments: [openai/gpt-5, openai/gpt-5-mini]}}\n"
    )
    assert loaded(text).warnings == ()
    (problem,) = mistakes(text.replace("openai/gpt-5-mini", "a/x").replace("policy: cost, ", ""))
    assert "`max_cost` needs the price of a/x" in problem


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "0"), (1_250_000_000, "1.25"), (3_625_000, "0.003625"), (40 * 10**9, "40"), (1, "0.000000001")],
)
def test_amounts_are_told_exactly(nano: int, text: str) -> None:
    assert amount(nano) == text
    assert usd(nano, "images/hd") == f"{text} USD per thousand"

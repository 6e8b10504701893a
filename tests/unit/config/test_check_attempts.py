"""General settings of failover, and checks of providers, that do not fit together."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Load, Mistakes

TWO = "\nproviders: {a: {base_url: 'http://127.0.0.1:1', keys: []}}\nmodels: {m: {deployments: [a/x, a/y]}}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("retries: {backoff: 20s}", "retries.backoff: is longer than retries.backoff_max (8s)"),
        ("breaker: {pause: 10m}", "breaker.pause: is longer than breaker.pause_max (5m)"),
        ("breaker: {pause: 0}", "breaker.pause: a pause of 0 puts no deployment last"),
    ],
)
def test_what_cannot_work_is_refused(mistakes: Mistakes, text: str, problem: str) -> None:
    (found,) = mistakes(text)
    assert f": {problem}" in found


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "retries: {attempts: 1, backoff: 1s}",
            "retries.backoff: with `retries.attempts: 1` nothing is tried again",
        ),
        (
            "breaker: {failures: 0, pause: 3s}",
            "breaker.pause: with `breaker.failures: 0` there are no pauses",
        ),
        (
            "retries: {attempts: 5, max_attempts: 3}",
            "retries.max_attempts: is less than retries.attempts (5), which is never reached",
        ),
        (
            "retries: {attempts: 3, max_attempts: 1}",
            "retries.attempts: with `retries.max_attempts: 1` nothing is tried again",
        ),
        (
            "retries: {max_attempts: 1}" + TWO,
            "retries.max_attempts: nobody is asked after a failure, also for m",
        ),
        (
            "retries: {max_time: 10s}" + TWO.replace("a/y]", "a/y], switch_after: 10s"),
            "models.m.switch_after: the time of all attempts, retries.max_time (10s), ends before",
        ),
        (
            "retries: {max_time: 10s}" + TWO.replace("a/y]", "a/y], hedge: 10s"),
            "models.m.hedge.after: the time of all attempts, retries.max_time (10s), ends before",
        ),
        (
            "server: {max_requests: 9}\nmodels: {m: {use: simulate/echo, concurrency: 10}}",
            "models.m.concurrency.limit: all workers together take 9 requests (server.max_requests)",
        ),
        (
            "providers: {a: {base_url: 'http://127.0.0.1:1', keys: [], check: {when: always}}}",
            "providers.a.check: nothing is checked without `every` (check: {every: 30s})",
        ),
        (
            "breaker: {failures: 0}\nproviders: {a: {base_url: 'http://127.0.0.1:1', keys: [], check: 30s}}",
            (
                "providers.a.check: with `breaker.failures: 0` no deployment counts as failing, so nothing "
                "is checked (check: {when: always})"
            ),
        ),
        (
            "providers: {openai: {keys: k, key_choice: round_robin}}",
            "providers.openai.key_choice: there is only one key, so there is no choice",
        ),
    ],
)
def test_what_does_nothing_is_a_warning(loaded: Load, text: str, warning: str) -> None:
    (found,) = loaded(text).warnings
    assert str(found).partition(": ")[2] == warning


def test_one_attempt_leaves_no_second_one_to_be_asked_beside_it(loaded: Load) -> None:
    found = loaded("retries: {max_attempts: 1}" + TWO.replace("a/y]", "a/y], hedge: 2s")).warnings
    assert [str(one).partition(": ")[2] for one in found] == [
        "retries.max_attempts: nobody is asked after a failure, also for m",
        "models.m.hedge: with `retries.max_attempts: 1` no second deployment is asked",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "retries: {backoff_max: 100ms}",  # the default of `backoff` is cut, as it is meant
        "breaker: {pause_max: 1s}",
        "retries: {backoff: 20s, backoff_max: 20s}",
        "breaker: {failures: 0}",
        "retries: {attempts: 1}",
        "retries: {max_attempts: 1}\nproviders: {a: {base_url: 'http://127.0.0.1:1', keys: []}}",
        "retries: {max_time: 10s}" + TWO.replace("a/y]", "a/y], switch_after: 9s"),
        "retries: {max_time: 10s}" + TWO.replace("a/y]", "a/y], hedge: 9s"),
        "retries: {max_time: 10s}" + TWO.replace("a/y]", "a/y], hedge: p95"),
        "retries: {max_attempts: 2}" + TWO.replace("a/y]", "a/y], hedge: p95"),
        (
            "breaker: {failures: 0}\nproviders: {a: {base_url: 'http://127.0.0.1:1', keys: [], "
            "check: {every: 30s, when: always}}}"
        ),
        "providers: {openai: {keys: [k, l], key_choice: round_robin}}",
        "providers: {openai: {key_choice: round_robin, keys: ['${A:-k}', l]}}",
    ],
)
def test_what_works_is_accepted_without_a_word(loaded: Load, text: str) -> None:
    assert loaded(text).warnings == ()


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("server: {transport: aiohttp}\nproviders: {groq: {keys: k, pool: {max_age: 5m}}}", "aiohttp`"),
        ("providers: {groq: {keys: k, proxy: 'http://proxy:3128', pool: {max_age: 5m}}}", "behind a proxy"),
    ],
)
def test_an_age_that_the_http_client_does_not_know_is_told(loaded: Load, text: str, warning: str) -> None:
    (found,) = loaded(text).warnings
    assert found.path == "providers.groq.pool.max_age"
    assert warning in found.message


def test_an_age_that_is_kept_is_no_warning(loaded: Load) -> None:
    assert loaded("providers: {groq: {keys: k, pool: {max_age: 5m}}}").warnings == ()


def test_a_name_with_a_dot_is_found_on_its_line(loaded: Load) -> None:
    text = (
        "retries: {max_time: 1s, max_attempts: 1}\n"
        "server: {max_requests: 9}\n"
        "providers:\n"
        "  a.b: {base_url: 'http://127.0.0.1:1', keys: [], concurrency: 10}\n"
        "models:\n"
        "  gpt-4.1: {deployments: [a.b/x, a.b/y], hedge: 2s, switch_after: 3s, concurrency: 10}\n"
    )
    places = {(warning.path, warning.line) for warning in loaded(text).warnings}
    model = 'models."gpt-4.1"'
    assert places >= {
        ('providers."a.b".concurrency.limit', 4),
        (f"{model}.concurrency.limit", 6),
        (f"{model}.hedge", 6),
        (f"{model}.hedge.after", 6),
        (f"{model}.switch_after", 6),
    }

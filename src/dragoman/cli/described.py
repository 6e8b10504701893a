"""Describes in words what a configuration states of its enabled providers, models and aliases. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from dragoman.config.balancing import Hedge
from dragoman.config.conditions import When
from dragoman.config.declared import settings_of
from dragoman.config.fallbacks import Fallbacks
from dragoman.config.settings import Alias, Concurrency, Config, Model, Provider
from dragoman.providers.address import without_keys
from dragoman.providers.provider import Provider as Account

_ORDERS: Final = {
    "ordered": "in this order",
    "round_robin": "each in turn is first",
    "least_busy": "the one with the fewest running requests is first",
    "latency": "the faster one of two that are drawn is first",
    "cost": "the cheapest is first",
    "affinity": "the one that holds the prompt's cache is first",
}
"""By policy, the words for which deployment is asked first. `weighted` has its own words, with the weights.
"""


class Described(NamedTuple):
    """One row about a provider, a model or an alias. kind: which of these words it is. stands_for: the
    address of a provider, the deployments of a model, or the name that an alias leads to. how: the effects of
    its settings for order, fallbacks, concurrency and the like, in words; "" = none of these has an effect.
    """

    kind: str
    name: str
    stands_for: str
    how: str


def described(config: Config, accounts: Mapping[str, Account]) -> list[Described]:
    """Return a row for each enabled provider (also one that only the environment names), each model and each
    alias, in the order of the configuration. accounts: the enabled providers, by name.
    """
    rows = [
        Described("provider", name, without_keys(account.base_url), _joined(_of_provider(settings)))
        for name, account in accounts.items()
        if (settings := config.providers.named.get(name)) is not None
    ]
    rows += [
        Described("model", name, ", ".join(one.use for one in model.targets), _joined(_of_model(model)))
        for name, model in config.models.items()
    ]
    rows += [
        Described("alias", name, alias.route, _joined(_of_alias(alias)))
        for name, alias in config.aliases.items()
    ]
    return rows


def _joined(clauses: Iterator[str]) -> str:
    return "; ".join(clauses)


def _of_provider(provider: Provider) -> Iterator[str]:
    if provider.key_choice == "round_robin":
        yield "its keys take turns"
    elif provider.key_choice == "least_used":
        yield "the key with the fewest running requests is first"
    check = provider.check
    if check.every:
        yield f"checked every {check.every}" + (" while it fails" if check.when == "failing" else "")
    yield from _together(provider.concurrency)


def _of_model(model: Model) -> Iterator[str]:
    if len(model.targets) > 1:
        yield _order(model)
        reserve = [one.use for one in model.targets if not one.weight]
        if reserve:
            yield f"only after the others: {', '.join(reserve)}"
    for deployment in model.targets:
        if deployment.when != When():
            yield f"{deployment.use} only when {_conditions(deployment.when)}"
    yield from _after(model.fallbacks)
    if (bound := model.max_cost) is not None:
        if bound.times is not None:
            yield f"in place of the first choice nobody who costs more than {bound.times} times as much"
        if bound.usd is not None:
            yield f"in place of the first choice nobody who costs more than {bound.usd} USD above it"
    if model.switch_after:
        yield f"left for another one after {model.switch_after} without content"
    if model.hedge is not None:
        yield _hedged(model.hedge)
    if model.continue_streams:
        yield "another one goes on with a stream that breaks off"
    yield from _together(model.concurrency)


def _hedged(hedge: Hedge) -> str:
    """Return words about the hedge: when a second deployment is asked beside the first one, and for which
    share of the requests at most.
    """
    late = (
        "if it is later than 95 of 100 answers"
        if hedge.after == "p95"
        else f"after {hedge.after} without content"
    )
    most = f"{round(100 * float(hedge.at_most), 3):g} %"
    return f"a second one is asked beside it {late}, for at most {most} of the requests"


def _of_alias(alias: Alias) -> Iterator[str]:
    if alias.fallbacks is not None:
        yield from _after(alias.fallbacks)


def _order(model: Model) -> str:
    """Return words about the rule by which one of several deployments is asked first."""
    if (rotate := model.rotate) is not None:
        if rotate.every is not None:
            return f"another one is first every {rotate.every}"
        return f"another one is first after {rotate.requests} requests"
    if model.policy == "weighted":
        return f"first by weight {':'.join(str(one.weight) for one in model.targets)}"
    return _ORDERS[model.policy]


def _conditions(when: When) -> str:
    """Return the stated conditions, as a configuration writes them ("stream: true, tags: [a, b]")."""
    stated = {name: getattr(when, name) for name in settings_of(When)}
    shown = {name: value for name, value in stated.items() if value not in (None, (), {})}
    return ", ".join(f"{name}: {_shown(value)}" for name, value in shown.items())


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {inner}" for name, inner in value.items()) + "}"
    return str(value)


def _after(fallbacks: Fallbacks) -> Iterator[str]:
    if fallbacks.any:
        yield f"if they fail: {', '.join(fallbacks.any)}"
    if fallbacks.context:
        yield f"if the prompt is too long: {', '.join(fallbacks.context)}"
    if fallbacks.content:
        yield f"if the content is refused: {', '.join(fallbacks.content)}"


def _together(concurrency: Concurrency) -> Iterator[str]:
    """Yield, in words, how many requests may run at once, how far apart they start, and how many may wait."""
    if concurrency.limit is not None:
        yield f"{concurrency.limit} at once"
    if concurrency.delay:
        yield f"starts at least {concurrency.delay} apart"
    if concurrency.limit is not None or concurrency.delay:
        if not concurrency.queue:
            yield "nobody waits"
        else:
            wait = f" for {concurrency.wait} each" if concurrency.wait else ""
            yield f"{concurrency.queue} may wait{wait}"

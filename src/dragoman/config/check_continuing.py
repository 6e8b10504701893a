"""Checks that another deployment can continue the streams of a model with `continue_streams`."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.config.added import BUILT_IN
from dragoman.config.misfit import Misfit
from dragoman.config.resolve import vendor_of
from dragoman.config.settings import Config, Deployment, Model
from dragoman.providers.models import facts_for


def continuing(model: Model, config: Config) -> Iterator[Misfit]:
    """Yield at most one mistake in `continue_streams` of a model; none if the model does not set it. The
    `place` is relative to the model.
    """
    if not model.continue_streams:
        return
    if len({(one.use, one.file) for one in model.targets}) < 2:
        yield Misfit("continue_streams", "there is only one deployment, so no other one can go on")
    elif model.hedge is not None:
        said = "a hedged request is not continued: keep `hedge` or `continue_streams`"
        yield Misfit("continue_streams", said, "state it for another model of the same deployments")
    elif not any(_goes_on(one, model, config) for one in model.targets):
        said = "no deployment is known to go on with the beginning of an answer"
        hint = "supports: {prefill: true} of a deployment that does"
        yield Misfit("continue_streams", said, hint, odd=True)


def _goes_on(deployment: Deployment, model: Model, config: Config) -> bool:
    """Whether the model of a deployment can continue the beginning of an answer: as `supports.prefill` of the
    deployment, or else of the model, says; or else as the packaged facts about models say, and if these do
    not say it, only with Mistral's protocol. True for a provider without an entry in `providers`, and for one
    whose `catalog` does not exist, which is reported elsewhere.
    """
    stated = model.supports.prefill
    if deployment.supports is not None and deployment.supports.prefill is not None:
        stated = deployment.supports.prefill
    if stated is not None:
        return stated
    name, _, upstream = deployment.use.partition("/")
    settings = config.providers.named.get(name)
    if name in BUILT_IN or settings is None:  # all models of our own can continue an answer
        return True  # the provider is built in, or the program registers it
    try:
        vendor = vendor_of(name, settings)
    except ValueError:
        return True  # the check of the provider reports its `catalog`
    base = settings.base_models.get(upstream, upstream)
    known = facts_for(name if vendor is None else vendor.name, base)
    speaks = settings.dialect if vendor is None else vendor.dialect
    return known.prefill is True or (speaks == "mistral" and known.prefill is not False)

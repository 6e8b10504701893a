"""Words of other gateways are hints alone, no settings of ours; what the page about them shows is true."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import yaml

from dragoman.config.declared import options, settings_of
from dragoman.config.foreign import HINTS
from dragoman.config.litellm import convert
from dragoman.config.load import Loaded
from dragoman.config.section import Section
from dragoman.config.settings import Config


def declared(section: type[Section]) -> Iterator[str]:
    for name, setting in settings_of(section).items():
        yield name
        for member in options(setting.type):
            for kind in (member, *get_args(member)):
                if isinstance(kind, type) and issubclass(kind, Section):
                    yield from declared(kind)


def test_no_foreign_word_is_a_setting() -> None:
    assert HINTS.keys() & set(declared(Config)) == {"url"}  # a receiver of alerts has it, a provider has not
    assert "base_url" in set(declared(Config))


def test_a_providers_url_is_still_a_foreign_word(mistakes: Callable[..., list[str]]) -> None:
    told = mistakes("providers: {up: {url: 'http://127.0.0.1:9'}}")
    assert any(line.endswith("unknown setting (here: providers.NAME.base_url)") for line in told)


def test_litellms_reference_to_a_variable_is_no_key(mistakes: Callable[..., list[str]]) -> None:
    assert mistakes("providers: {openai: {keys: [os.environ/OPENAI_API_KEY]}}") == [
        (
            "dragoman.yaml:1: providers.openai.keys[0]: uses LiteLLM's syntax for an environment variable "
            "(write ${OPENAI_API_KEY})"
        )
    ]


PAGE = Path(__file__).parents[3] / "docs" / "litellm.md"


def test_the_page_about_litellm_shows_a_configuration_that_is_one(
    loaded: Callable[..., Loaded], mistakes: Callable[..., list[str]]
) -> None:
    theirs, ours = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names = ("ANTHROPIC_API_KEY", *re.findall(r"\$\{(\w+)\}", ours))
    environ = {name: f"secret-of-the-variable-{name}" for name in names}
    assert convert(yaml.safe_load(theirs)).settings == yaml.safe_load(ours)
    found = loaded(ours, environ)
    assert found.warnings == ()
    assert found.config.models["gpt-4o"].fallbacks.any == ("claude",)
    assert all(" setting (" in problem and "known here" not in problem for problem in mistakes(theirs))

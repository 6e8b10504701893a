"""Presets: they lie below the operator's file and name vendors as it does."""

from collections.abc import Callable
from typing import TypeAlias

from dragoman.config.load import Loaded
from dragoman.providers.catalog import CATALOG

Load: TypeAlias = Callable[..., Loaded]


def test_a_preset_lies_below_the_file(loaded: Load) -> None:
    text = "preset: qwen\nmodels: {qwen-max: {use: qwen/other}}\nproviders: {qwen: {base_url: 'https://q.example'}}"
    found = loaded(text, {"DASHSCOPE_API_KEY": "k"})
    assert sorted(found.config.models) == ["qwen-max", "qwen-plus", "qwen-turbo", "qwen3-max"]
    assert found.config.models["qwen-max"].use == "qwen/other"
    assert found.config.models["qwen-plus"].use == "qwen/qwen-plus"
    assert found.source("models.qwen-plus") == "preset qwen"
    # It names the vendor, but another place: the vendor's key stays away.
    assert found.providers["qwen"].credentials == ()
    assert list(found.providers) == ["qwen"]


def test_a_presets_vendor_is_keyed_by_the_environment(loaded: Load) -> None:
    found = loaded(environ={"DRAGOMAN_PRESET": "qwen", "DASHSCOPE_API_KEY": "k"})
    (provider,) = found.providers.values()
    assert (provider.name, provider.vendor, len(provider.credentials)) == ("qwen", CATALOG["dashscope"], 1)

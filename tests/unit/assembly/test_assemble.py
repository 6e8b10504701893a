"""What a name stands for where a configuration is put together, and why it stands for nothing."""

from pathlib import Path

import pytest

from dragoman.assembly.names import naming
from dragoman.config.load import load
from dragoman.errors import RequestFailed
from dragoman.upstreams.local import weights

NONE = "The model {!r} does not exist."


@pytest.mark.parametrize(
    ("name", "configured", "reason"),
    [
        ("all-minilm", "{}", " all-minilm:l6-v2 is not installed; install it with `dragoman models install"),
        (
            "local/all-minilm",
            "{}",
            " all-minilm:l6-v2 is not installed; install it with `dragoman models install",
        ),
        ("all-minilm", "providers: {local: {enabled: false}}", ""),
        ("gpt-4o", "{}", " openai is not configured: set OPENAI_API_KEY."),
        ("gpt-4o", "providers: {openai: {keys: k, models: [gpt-5]}}", ""),
        ("my-own", "{}", ""),
    ],
)
def test_a_name_that_nobody_answers_to_says_what_would_help(
    name: str, configured: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find", dict[weights.Weights, Path]().get)
    monkeypatch.setattr(weights, "lacks", dict[weights.Weights, str]().get)
    file = tmp_path / "dragoman.yaml"
    file.write_text(configured, "utf-8")
    table = naming(load(file, {"DRAGOMAN_HOME": str(tmp_path)})).table
    with pytest.raises(RequestFailed) as refused:
        table.resolve(name)
    told = refused.value.fault.message
    assert told.startswith(NONE.format(name) + reason)
    assert bool(reason) or told == NONE.format(name)

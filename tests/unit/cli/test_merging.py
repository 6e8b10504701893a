"""What a client's own files become: our settings in, everything else as it was, or a refusal."""

from __future__ import annotations

import json
import tomllib

import pytest
import yaml

from dragoman.cli.merging import (
    Unmergeable,
    dotenv_with,
    json_with,
    toml_with,
    yaml_with,
    yaml_with_item,
)

FIRST = {"model": "a/b", "model_provider": "dragoman"}
TABLE: dict[str, str | bool] = {"name": "Dragoman", "base_url": "http://x/v1", "on": True}
OWN = """\
# mine
model = "gpt-5"  # the good one
approval_policy = "never"

[profiles.fast]
model = "gpt-5-mini"

[model_providers.dragoman]
base_url = "http://old/v1"
http_headers = { a = "b" }

[model_providers.dragoman.more]
x = 1

[model_providers.other]
base_url = "http://other/v1"  # stays
"""


def toml(text: str) -> str:
    return toml_with(text, FIRST, "model_providers.dragoman", TABLE)


def test_toml_that_was_not_there() -> None:
    assert tomllib.loads(toml("")) == {**FIRST, "model_providers": {"dragoman": TABLE}}


def test_toml_keeps_what_is_not_ours() -> None:
    own = OWN.replace("[model_providers.dragoman.more]\nx = 1\n\n", "")
    text = toml(own)
    there = tomllib.loads(text)
    assert there["model_providers"] == {"dragoman": TABLE, "other": {"base_url": "http://other/v1"}}
    assert (there["model"], there["profiles"]) == ("a/b", {"fast": {"model": "gpt-5-mini"}})
    assert "# mine\n" in text
    assert "# stays\n" in text
    assert there["approval_policy"] == "never"
    assert toml(text) == text, "a second time changes nothing"


@pytest.mark.parametrize(
    "text",
    [
        OWN,  # a table below ours, which would outlive it
        "model = [",
        "model_providers = 5",
        'model_providers = { dragoman = { name = "inline" } }',
        'model_providers.dragoman.name = "dotted"',
        'model = """\ntwo lines"""\n',
        '[ model_providers . "dragoman" ]\nname = "spelled otherwise"',
    ],
)
def test_toml_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(Unmergeable):
        toml(text)


def test_toml_strings_are_escaped() -> None:
    odd = 'a"b\\c\n\x7f\u00e9'
    assert tomllib.loads(toml_with("", {"model": odd}, "a.b", {}))["model"] == odd


def test_json_is_merged_and_stays_in_order() -> None:
    own = '{"theme": "dark", "env": {"A": "1", "B": "2"}, "permissions": {"allow": ["x"]}, "z": 5}'
    text = json_with(own, {"env": {"B": "3", "C": "4"}, "z": {"y": 1}, "theme": "light"})
    assert list(json.loads(text).items()) == [
        ("theme", "light"),
        ("env", {"A": "1", "B": "3", "C": "4"}),
        ("permissions", {"allow": ["x"]}),
        ("z", {"y": 1}),
    ]
    assert json_with("", {"a": {"b": 1}}) == '{\n  "a": {\n    "b": 1\n  }\n}\n'


@pytest.mark.parametrize("text", ["{", "[]", '// why\n{"a": 1}', '{"a": 1,}'])
def test_json_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Unmergeable):
        json_with(text, {"a": 2})


def test_yaml_settings_change_in_their_places() -> None:
    own = "# mine\nmodel: gpt-5\ndark-mode: true  # always\n"
    text = yaml_with(own, {"model": "openai/simulate: echo", "openai-api-base": "http://x/v1"})
    assert text.splitlines()[0] == "# mine"
    assert text.splitlines()[2] == "dark-mode: true  # always"
    assert yaml.safe_load(text) == {
        "model": "openai/simulate: echo",
        "dark-mode": True,
        "openai-api-base": "http://x/v1",
    }
    assert yaml_with("", {"a": "1"}) == "a: '1'\n", "a text stays a text"
    quoted = "'model': a\n\"openai-api-base\" : b\n"
    assert yaml_with(quoted, {"model": "c", "openai-api-base": "d"}) == "model: c\nopenai-api-base: d\n"


@pytest.mark.parametrize(
    "text",
    [
        "model:\n  name: a\n",
        "model: >\n  folded\n",
        "- a\n",
        "a: [",
        "{model: a}\n",
        "model: &m a\nother: *m\n",
        "? model\n: a\n",  # a second line would make the key twice
        '"mo\\x64el": a\n',
    ],
)
def test_yaml_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(Unmergeable):
        yaml_with(text, {"model": "b"})


ITEM = {"name": "Dragoman", "model": "a/b", "roles": ["chat", "edit"]}
OPENING = {"name": "Mine", "schema": "v1"}


def item(text: str) -> str:
    return yaml_with_item(text, "models", ITEM, name="name", opening=OPENING)


@pytest.mark.parametrize(
    "own",
    [
        "name: x\nmodels:\n  - name: Other\n    model: m  # good\nrules: []\n",
        "name: x\nmodels:\n- name: Other\n  model: m  # good\nrules: []\n",
        (
            "name: x\nmodels:\n  # two\n  - name: Dragoman\n    model: old\n    roles: [chat]\n"
            "  - name: Other\n    model: m  # good\nrules: []\n"
        ),
    ],
)
def test_an_item_goes_before_the_others(own: str) -> None:
    text = item(own)
    others = [{"name": "Other", "model": "m"}]
    assert yaml.safe_load(text) == {"name": "x", "models": [ITEM, *others], "rules": []}
    assert "# good" in text
    assert yaml.safe_load(item(text)) == yaml.safe_load(text)


def test_a_list_that_was_not_there() -> None:
    assert yaml.safe_load(item("")) == {**OPENING, "models": [ITEM]}
    assert yaml.safe_load(item("# a note\n")) == {**OPENING, "models": [ITEM]}
    assert yaml.safe_load(item("name: x\n")) == {"name": "x", "models": [ITEM]}
    assert yaml.safe_load(item("models:\nname: x\n")) == {"models": [ITEM], "name": "x"}


@pytest.mark.parametrize(
    "text", ["models: 5\n", "models: [{name: Other}]\n", "models:\n  - {name: Dragoman, model: old}\n"]
)
def test_a_list_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(Unmergeable):
        item(text)


def test_variables_in_a_file() -> None:
    own = "# mine\nA=1\nexport B = 2\nBB=3\n"
    assert dotenv_with(own, {"B": "x"}) == "# mine\nA=1\nBB=3\nB=x\n"
    assert dotenv_with("", {"B": "x"}) == "B=x\n"

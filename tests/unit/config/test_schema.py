"""The schema and the page say what the loader does: neither more nor less."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from dragoman.config import schema
from dragoman.config.accounts import Permissions
from dragoman.config.declared import settings_of
from dragoman.config.deviations import meanings
from dragoman.config.load import Loaded
from dragoman.config.section import Section, about
from dragoman.providers.catalog import CATALOG

Load: TypeAlias = Callable[..., Loaded]
Mistakes: TypeAlias = Callable[..., list[str]]

PARTS = {*Section.__subclasses__(), *Permissions.__subclasses__()} - {Permissions}
SECTIONS = [pytest.param(one, id=one.__name__) for one in sorted(PARTS, key=lambda one: one.__name__)]

EVERYTHING = """
server: {host: 0.0.0.0, port: '${PORT:-8080}', max_body: 2MB, heartbeat: 0.5, cors_origins: '*'}
auth: {keys: [one-of-sixteen-or, {key: two-of-sixteen-or, name: b, models: [fast]}], required: true}
providers:
  local: {keep_alive: null, queue: 4}
  simulate: {enabled: true, seed: 7}
  openai:
  up:
    base_url: https://up.example/v1
    dialect: anthropic
    auth: bearer
    keys: key
    headers: {X-A: b}
    body: {a: [1, {b: null}]}
    timeouts: {connect: 3s, total: null}
    pool: {size: 10}
    quirks: {signatures: false}
models:
  a: up/x
  b: {deployments: [up/x, {use: up/y}], supports: {tools: false}, timeouts: {idle: 1m}, strict: all}
aliases:
  fast: a
  slow: {route: b, defaults: {temperature: 0.1}, system_prompt: Be brief., strict: false}
default_model: fast
preset: qwen
strict: '${STRICT:-true}'
retries: {attempts: 3, backoff: 1s}
egress: {allow: [10.0.0.0/8]}
stream_usage: always
"""


@pytest.fixture(scope="module")
def validator() -> Any:
    whole = schema.json_schema()
    Draft202012Validator.check_schema(whole)
    return Draft202012Validator(whole)


def test_a_file_with_everything_fits_the_schema_and_loads(validator: Any, loaded: Load) -> None:
    validator.validate(yaml.safe_load(EVERYTHING))
    assert loaded(EVERYTHING).config.retries.attempts == 3


@pytest.mark.parametrize(
    "text",
    [
        "sever: {}",
        "server: {prot: 1}",
        "server: {port: many}",
        "server: {port: 70000}",
        "server: {heartbeat: soon}",
        "server: {max_body: 1TB}",
        "server: [1]",
        "aliases: {a: {strict: true}}",
        "aliases: {a: [1, 2]}",
        "models: {m: {supports: {tool: true}}}",
        "providers: {p: {base_ulr: x}}",
        "providers: {p: {dialect: geminy, base_url: 'https://h.example'}}",
        "providers: {openai: {quirks: {develper_role: true}}}",
        "stream_usage: never",
        "strict: some",
        "retries: {attempts: 0}",
    ],
)
def test_what_the_loader_refuses_for_its_form_the_schema_refuses(
    validator: Any, mistakes: Mistakes, text: str
) -> None:
    assert not validator.is_valid(yaml.safe_load(text))
    assert mistakes(text)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_in_the_schema_with_its_description(section: type[Section]) -> None:
    definition = schema.json_schema()["$defs"][section.__name__]
    whole = definition["anyOf"][-1] if "anyOf" in definition else definition
    described = {name: value["description"] for name, value in whole["properties"].items()}
    stated = [name for name in settings_of(section) if name != section.rest]
    assert described == {name: meanings(section)[name] for name in stated}
    assert whole["description"] == (section.__doc__ or "").partition("\n")[0]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_described_in_whole_sentences(section: type[Section]) -> None:
    for one in settings_of(section).values():
        assert isinstance(one.about, about)
        assert re.match(r"[A-Z`].*[.…]\Z|.*…\Z", meanings(section)[one.name]), one.name
        assert one.default is not None or one.about.default is not None, (
            f"{one.name}: what happens without it?"
        )
        if re.search(r"\bint\b", str(one.type)) and one.name not in {
            "port",
            "admin_port",
            "seed",
            "threads",
            "size",
            "gpu_layers",
        }:
            assert one.about.unit, f"{one.name}: of what?"


def test_every_setting_has_a_line_on_the_page() -> None:
    page = schema.page()
    rows = list(schema.rows())
    paths = [row.path for row in rows]
    assert len(paths) == len(set(paths)) > 80
    assert all(f"| `{path}` |" in page for path in paths)
    assert {
        "server.port",
        "auth.keys[].key",
        "providers.NAME.timeouts.idle",
        "models.NAME.deployments[].use",
    } <= set(paths)
    port = next(row for row in rows if row.path == "server.port")
    assert (port.type, port.default, port.variable) == ("number", "`8080`", "`DRAGOMAN_PORT`")


def test_only_groups_are_called_settings() -> None:
    rows = list(schema.rows())
    groups = [row.path for row in rows if row.type == "settings"]
    assert groups
    assert [path for path in groups if not any(row.path.startswith(f"{path}.") for row in rows)] == []


def test_every_known_vendor_is_on_the_page() -> None:
    page = schema.page()
    for vendor in CATALOG.values():
        assert f"| `{vendor.name}` | [{vendor.title}]({vendor.page}) |" in page
        assert all(f"`{variable}`" in page for variable in vendor.keys)


def test_the_page_in_the_repository_is_current() -> None:
    assert schema.PAGE.read_text("utf-8") == schema.page(), "make docs"


def test_writing_and_checking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schema, "PAGE", tmp_path / "docs" / "settings.md")
    assert schema.main(["--check"]) == 1
    assert "make docs" in capsys.readouterr().err
    assert schema.main(["--write"]) == 0
    assert schema.main(["--check"]) == 0
    schema.PAGE.write_text(schema.page() + "\n", "utf-8")
    assert schema.main(["--check"]) == 1
    assert schema.main(["--wriet"]) == 2


def test_as_a_program_it_prints_the_schema() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dragoman.config.schema"],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == msgspec.to_builtins(schema.json_schema())

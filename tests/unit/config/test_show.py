"""Every setting in force is shown with its source, and no secret."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from dragoman.config.load import Loaded
from dragoman.config.show import shown

Load: TypeAlias = Callable[..., Loaded]

KEY = "sk-0123456789abcdefWXYZ"


def rows(loaded: Loaded) -> dict[str, tuple[str, str]]:
    return {row.path: (row.value, Path(row.source).name) for row in shown(loaded)}


def test_the_defaults(loaded: Load) -> None:
    found = rows(loaded())
    assert found["server.port"] == ("8080", "default")
    assert found["server.heartbeat"] == ("15s", "default")
    assert found["server.max_body"] == ("64MB", "default")
    assert found["server.access_log"] == ("true", "default")
    assert found["server.cors_origins"] == (
        "(* if a client key is required, otherwise this machine)",
        "default",
    )
    assert found["auth.required"][0].startswith("(true if a key is configured")
    assert found["auth.keys"] == ("[]", "default")
    assert found["aliases"] == ("{}", "default")
    assert found["providers.local.keep_alive"] == ("5m", "default")
    assert {source for _, source in found.values()} == {"default"}


def test_what_is_written_has_its_line_and_secrets_their_tail(loaded: Load) -> None:
    text = f"""
providers:
  openai:
    keys: [{KEY}, short]
    headers: {{X-Team: {KEY}}}
    proxy: http://me:{KEY}@proxy.example
    body: {{a: [1, null, {{user: {KEY}}}]}}
  mine:
    base_url: https://gateway.example/key/{KEY}/v1
    keys: []
models:
  m: {{use: openai/gpt-5, body: {{metadata: {{secret: {KEY}, on: true}}}}}}
aliases:
  "gpt-4.1": openai/gpt-5
  a: {{route: m, defaults: {{reasoning_effort: low, x_api_key: {KEY}, metadata: {{a_token: {KEY}, n: [1]}}}}}}
auth:
  keys:
  - key: {KEY}
    models: [a, b]
"""
    found = rows(loaded(text, {"DRAGOMAN_PORT": "9000", "ANTHROPIC_API_KEY": KEY}, default_model="gpt-4.1"))
    assert found["providers.openai.keys[0]"] == ("…WXYZ", "dragoman.yaml:4")
    assert found["providers.openai.keys[1]"] == ("…", "dragoman.yaml:4")
    assert found["providers.openai.headers.X-Team"] == ("…WXYZ", "dragoman.yaml:5")
    assert found["providers.openai.body"] == ('{"a":[1,null,{"user":"…WXYZ"}]}', "dragoman.yaml:7")
    assert found["providers.mine.base_url"] == ("https://gateway.example/key/…/v1", "dragoman.yaml:9")
    assert found["models.m.body"] == ('{"metadata":{"secret":"…WXYZ","on":true}}', "dragoman.yaml:12")
    defaults = '{"reasoning_effort":"low","x_api_key":"…WXYZ","metadata":{"a_token":"…WXYZ","n":[1]}}'
    assert found["aliases.a.defaults"] == (defaults, "dragoman.yaml:15")
    assert found["providers.openai.timeouts.idle"] == ("5m", "default")
    assert found['aliases."gpt-4.1".route'] == ("openai/gpt-5", "dragoman.yaml:14")
    assert found["auth.keys[0].models"] == ("a, b", "dragoman.yaml:19")
    assert found["server.port"] == ("9000", "DRAGOMAN_PORT")
    assert found["providers.anthropic.keys[0]"] == ("…WXYZ", "ANTHROPIC_API_KEY")
    assert found["default_model"] == ("gpt-4.1", "the command line")
    assert KEY not in str(found)


def test_addresses_of_databases_are_shown_without_passwords(loaded: Load) -> None:
    found = loaded(
        """
        stores: {sql: "postgresql://me:s3cret@h:5432/db?password=s3cret"}
        trace: {store: "postgresql://me:s3cret@h/other"}
        """
    )
    rows = {row.path: row.value for row in shown(found)}
    assert (rows["stores.sql"], rows["trace.store"]) == (
        "postgresql://me@h:5432/db",
        "postgresql://me@h/other",
    )

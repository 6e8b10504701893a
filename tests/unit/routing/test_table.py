"""What names stand for: one table, many names."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from dragoman.accounts.caller import Caller, Permits
from dragoman.accounts.grants import Grants
from dragoman.dialects.facts import Facts
from dragoman.errors import ConfigError, RequestFailed
from dragoman.ir import Message, Text
from dragoman.routing.fallbacks import Fallbacks
from dragoman.routing.route import (
    CREATED,
    Alias,
    Demands,
    Deployment,
    Model,
    Provider,
    Reserved,
    Route,
    Timers,
)
from dragoman.routing.table import Table

QUICK = Timers(connect=1.0)
SLOW = Timers(first_byte=None)

PROVIDERS = (
    Provider(
        "openai",
        "openai",
        patterns=("gpt-*", "o[134]*"),
        timers=QUICK,
        headers={"x-team": "a"},
        body={"metadata": {"by": "gateway"}, "store": False},
    ),
    Provider("anthropic", "anthropic", patterns=("claude-*",)),
    Provider("acme", "", models=("acme-7b", "meta/llama", "gpt-4o"), patterns=("acme-*",)),
    Provider("meta", "", models=("llama",)),
    Provider("second", "openai", patterns=("gpt-*",)),
)
MODELS = (
    Model("gpt", ("openai/gpt-5", "second/gpt-5"), strict=True, timers=SLOW, defaults={"seed": 1}),
    Model(
        "org/model",
        ("acme/anything",),
        facts=Facts(tools=False),
        headers={"x-team": "b"},
        body={"metadata": {"for": "us"}},
    ),
    Model("gpt-4o", ("openai/gpt-4o",)),
    Model("tuned", ("openai/ft:gpt-4o", "openai/x"), body={"metadata": {"for": "us"}, "store": True}),
)
ALIASES = (
    Alias("fast", "gpt", defaults={"temperature": 0.1, "seed": 2}, system_prompt="Be brief."),
    Alias("faster", "fast", defaults={"temperature": 0.2}, strict="all"),
    Alias("gpt-4o", "gpt-4o", defaults={"temperature": 0.5}),
    Alias("sonnet", "anthropic/claude-sonnet-4-5"),
    Alias("bare", "claude-sonnet-4-5"),
)


def table(*aliases: Alias, default_model: str | None = None) -> Table:
    return Table.build(PROVIDERS, MODELS, (*ALIASES, *aliases), default_model=default_model)


@pytest.mark.parametrize(
    ("name", "deployments"),
    [
        # 1. aliases, also one that has the name of its target
        ("fast", ["openai/gpt-5", "second/gpt-5"]),
        ("sonnet", ["anthropic/claude-sonnet-4-5"]),
        ("bare", ["anthropic/claude-sonnet-4-5"]),
        ("gpt-4o", ["openai/gpt-4o"]),
        # 2. configured models, also one whose name holds a slash
        ("gpt", ["openai/gpt-5", "second/gpt-5"]),
        ("org/model", ["acme/anything"]),
        # 3. provider/model, forwarded as it is
        ("openai/gpt-nonesuch", ["openai/gpt-nonesuch"]),
        ("openai/org/deep/name", ["openai/org/deep/name"]),
        ("second/gpt-4o", ["second/gpt-4o"]),
        ("acme/acme-7b", ["acme/acme-7b"]),
        ("acme/meta/llama", ["acme/meta/llama"]),
        # a provider's name shadows a model id with a slash
        ("meta/llama", ["meta/llama"]),
        # 4. listed names
        ("acme-7b", ["acme/acme-7b"]),
        ("llama", ["meta/llama"]),
        # 5. patterns, in configuration order
        ("gpt-5.1", ["openai/gpt-5.1"]),
        ("o3-mini", ["openai/o3-mini"]),
        ("claude-opus-4-5", ["anthropic/claude-opus-4-5"]),
    ],
)
def test_resolution(name: str, deployments: list[str]) -> None:
    route = table().resolve(name)
    assert [deployment.name for deployment in route.deployments] == deployments
    assert route.asked == name


@pytest.mark.parametrize(
    "name",
    [
        "nope",
        "acme/other",  # the provider has a list
        "acme-8b",  # fits its vendor's pattern, but the provider has a list
        "nobody/gpt-5",
        "openai/",
        "/gpt-5",
        "GPT-5",
        "*",
        "x" * 5000,
    ],
)
def test_unknown_names_are_404(name: str) -> None:
    with pytest.raises(RequestFailed) as failed:
        table().resolve(name)
    fault = failed.value.fault
    assert (fault.kind, fault.code, fault.param, fault.http_status) == (
        "model_not_found",
        "model_not_found",
        "model",
        404,
    )
    assert len(fault.message) < 250


@pytest.mark.parametrize(
    ("name", "near"),
    [("fasst", "fast"), ("acme/acme-7", "acme/acme-7b"), ("org/modell", "org/model"), ("zzz", None)],
)
def test_a_near_name_is_suggested(name: str, near: str | None) -> None:
    with pytest.raises(RequestFailed) as failed:
        table().resolve(name)
    assert (f"Did you mean {near!r}?" in failed.value.fault.message) is (near is not None)


@pytest.mark.parametrize(
    ("name", "advice"), [("gemini-9", " It is elsewhere."), ("zzz", ""), ("gemini-" + "9" * 122, "")]
)
def test_a_known_reason_why_nobody_answers_is_told(name: str, advice: str) -> None:
    table = Table.build((), reason=lambda name: "It is elsewhere" if name.startswith("gemini") else None)
    for one in (table, table.also({})):
        with pytest.raises(RequestFailed) as failed:
            one.resolve(name)
        assert failed.value.fault.message.endswith(f" does not exist.{advice}")


@pytest.mark.parametrize(
    ("name", "api"),
    [
        ("pro", "openai_responses"),
        ("word", "openai_chat"),  # what the alias says
        ("again", "openai_chat"),  # and what its alias leaves
        ("other", "openai_responses"),
        ("openai/gpt-5", None),
        ("gpt", None),
    ],
)
def test_the_operator_says_which_protocol_to_ask_in(name: str, api: str | None) -> None:
    """4.18: an alias before its model."""
    models = (*MODELS, Model("pro", ("openai/gpt-5-pro",), api="openai_responses"))
    aliases = (Alias("word", "pro", api="openai_chat"), Alias("again", "word"), Alias("other", "pro"))
    assert Table.build(PROVIDERS, models, aliases).resolve(name).api == api


def test_a_flood_of_names_is_answered_and_not_kept() -> None:
    names = table()
    first = names.resolve("openai/first")
    assert names.resolve("openai/first") is first
    for number in range(3000):
        assert names.resolve(f"openai/m{number}").deployments[0].model == f"m{number}"
    assert names.resolve("openai/first") == first
    assert len(names._found) <= 1024
    endless = f"openai/{'x' * 10_000}"
    assert names.resolve(endless).asked == endless
    assert endless not in names._found


@pytest.mark.parametrize("name", [None, ""])
def test_a_missing_model_is_400_or_the_default(name: str | None) -> None:
    with pytest.raises(RequestFailed) as failed:
        table(Alias("*", "gpt")).resolve(name)
    fault = failed.value.fault
    assert (fault.kind, fault.message, fault.param) == (
        "invalid_request",
        "you must provide a model parameter, or the operator sets default_model",
        "model",
    )
    route = table(default_model="fast").resolve(name)
    assert (route.asked, route.system_prompt) == ("fast", "Be brief.")
    assert table(default_model="claude-opus-4-5").resolve(name).deployments[0].provider == "anthropic"


def test_operations_beside_chat_have_default_models_of_their_own() -> None:
    built = Table.build(PROVIDERS, MODELS, ALIASES, default_model="fast", default_models={"image": "gpt-4o"})
    assert built.resolve(None, "image").asked == "gpt-4o"
    assert built.resolve(None).asked == "fast"
    assert built.also({}).resolve("", "image").asked == "gpt-4o"
    with pytest.raises(RequestFailed) as refused:
        built.resolve(None, "speech")
    assert (refused.value.fault.kind, refused.value.fault.param) == ("invalid_request", "model")
    assert refused.value.fault.message.endswith("or the operator sets default_models.speech")
    with pytest.raises(ConfigError) as unknown:
        Table.build(PROVIDERS, default_models={"rerank": "nope"})
    assert [problem.path for problem in unknown.value.problems] == ["default_models.rerank"]


def test_aliases_add_up_and_the_outer_one_wins() -> None:
    names = table()
    fast, faster = names.resolve("fast"), names.resolve("faster")
    assert fast.defaults == {"temperature": 0.1, "seed": 2}
    assert fast.strict is True
    assert faster.defaults == {"temperature": 0.2, "seed": 2}
    assert faster.system_prompt == "Be brief."
    assert faster.strict == "all"
    assert names.resolve("gpt").defaults == {"seed": 1}
    assert names.resolve("gpt-4o").defaults == {"temperature": 0.5}


def test_the_catch_all_takes_what_nothing_else_does() -> None:
    names = table(Alias("*", "fast", defaults={"seed": 9}))
    route = names.resolve("whatever")
    assert (route.asked, route.defaults["seed"]) == ("whatever", 9)
    assert route.shown(route.deployments[0]) == "whatever"
    assert names.resolve("gpt").defaults == {"seed": 1}
    with pytest.raises(RequestFailed):
        names.entry("whatever")


def test_strictness_is_stated_nearest_to_the_name_or_for_all() -> None:
    strict = Table.build(
        PROVIDERS, MODELS, (Alias("lax", "gpt", strict=False),), general=Demands(strict="all")
    )
    assert strict.resolve("openai/gpt-5").strict == "all"
    assert strict.resolve("gpt").strict is True
    assert strict.resolve("lax").strict is False
    assert table().resolve("claude-opus-4-5").strict is False


def test_windows_are_the_narrowest_that_were_stated() -> None:
    facts = Facts(context=4000)
    models = (
        Model("one", ("openai/gpt-4o",), facts),
        Model("many", ("openai/gpt-4o", "openai/gpt-5", "openai/own"), facts, windows=(50, None, 9000)),
        Model("open", ("openai/gpt-4o", "openai/own")),
    )
    aliases = (
        Alias("narrow", "many", window=800),
        Alias("narrower", "narrow", window=100),
        Alias("wider", "narrow", window=5000),
        Alias("same", "narrow"),
        Alias("closed", "open", window=300),
        Alias("direct", "openai/gpt-4o", window=300),
    )
    names = Table.build(PROVIDERS, models, aliases)

    def windows(name: str) -> list[tuple[int | None, int | None]]:
        return [(one.window, one.facts.context) for one in names.resolve(name).deployments]

    assert windows("one") == [(4000, 4000)]
    assert windows("many") == [(50, 50), (4000, 4000), (9000, 9000)]
    assert windows("open") == [(None, 128_000), (None, None)]
    assert windows("narrow") == windows("wider") == windows("same") == [(50, 50), (800, 800), (800, 800)]
    assert windows("narrower") == [(50, 50), (100, 100), (100, 100)]
    assert windows("closed") == [(300, 300), (300, 300)]
    assert windows("direct") == [(300, 300)]
    assert windows("openai/gpt-4o") == [(None, 128_000)]
    assert names.entry("narrower").context_window == 50


def test_checks_of_the_output_are_asked_for_nearest_to_the_name_or_for_all() -> None:
    models = (Model("checked", ("openai/gpt-5",), check_output=True), Model("plain", ("openai/gpt-5",)))
    aliases = (
        Alias("unchecked", "checked", check_output=False),
        Alias("again", "unchecked", check_output=True),
        Alias("same", "checked"),
        Alias("other", "plain", check_output=True),
    )
    names = Table.build(PROVIDERS, models, aliases)
    told = ("checked", "plain", "unchecked", "again", "same", "other", "openai/gpt-5")
    assert [names.resolve(name).check_output for name in told] == [
        True,
        False,
        False,
        True,
        True,
        True,
        False,
    ]
    everywhere = Table.build(PROVIDERS, models, aliases, general=Demands(check_output=True))
    some = ("plain", "unchecked", "openai/gpt-5")
    assert [everywhere.resolve(name).check_output for name in some] == [True, False, True]


def test_deployments_carry_what_a_call_needs() -> None:
    names = table()
    direct = names.resolve("openai/gpt-5.1").deployments[0]
    assert direct.timers == QUICK
    assert direct.headers == {"x-team": "a"}
    assert direct.body == {"metadata": {"by": "gateway"}, "store": False}
    assert direct.facts.efforts == ("none", "low", "medium", "high")
    tuned = names.resolve("tuned").deployments[0]
    assert tuned.body == {"metadata": {"by": "gateway", "for": "us"}, "store": True}
    assert tuned.timers == QUICK
    assert names.resolve("gpt").deployments[0].timers == SLOW
    flagged = names.resolve("org/model").deployments[0]
    assert (flagged.facts.tools, flagged.headers) == (False, {"x-team": "b"})


def test_the_client_sees_its_own_name_when_it_was_renamed() -> None:
    gpt, claude = Deployment("openai", "gpt-5"), Deployment("anthropic", "claude-opus-4-5")
    route = Route("gpt-5", (gpt, claude))
    assert route.shown(gpt) is None
    assert route.shown(claude) == "gpt-5"
    assert Route("openai/gpt-5", (gpt,)).shown(gpt) is None
    assert Route("fast", (gpt,)).shown(gpt) == "fast"


def test_the_model_list() -> None:
    names = table(Alias("*", "gpt"))
    entries = names.entries({"anthropic": ("claude-opus-4-5", "claude-opus-4-5"), "acme": ("acme-7b", "odd")})
    ids = [entry.id for entry in entries]
    assert ids == sorted(set(ids))
    assert ids == [
        "acme/acme-7b",
        "acme/gpt-4o",
        "acme/meta/llama",
        "anthropic/claude-opus-4-5",
        "bare",
        "fast",
        "faster",
        "gpt",
        "gpt-4o",
        "meta/llama",
        "org/model",
        "sonnet",
        "tuned",
    ]
    assert {entry.created for entry in entries} == {CREATED}
    assert entries == names.entries({"anthropic": ["claude-opus-4-5"]})
    for name in ids:
        assert names.resolve(name).asked == name


def test_a_long_list_is_made_entry_by_entry() -> None:
    names = table()
    seen: list[str] = []

    def listed() -> Iterator[str]:
        for name in ("acme/gpt-4o", "fast", "gpt", "nothing-of-the-kind", "sonnet"):
            seen.append(name)
            yield name

    entries = names.each(listed())
    assert (next(entries).id, seen) == ("acme/gpt-4o", ["acme/gpt-4o"])
    assert [entry.id for entry in entries] == ["fast", "gpt", "sonnet"]
    granted = Grants(["g*", "sonnet", "anthropic/claude-x"])
    assert [entry.id for entry in names.each(["fast", "gpt", "sonnet"], granted)] == [
        *("anthropic/claude-x", "gpt", "sonnet")
    ]
    assert [entry.id for entry in names.each(["fast", "gpt"], Grants(["sonnet"]))] == ["sonnet"]


def test_a_line_of_the_model_list() -> None:
    entry = table().entry("sonnet")
    assert (entry.id, entry.owned_by, entry.provider) == ("sonnet", "anthropic", "anthropic")
    assert (entry.context_window, entry.max_output_tokens) == (200_000, 64_000)
    assert entry.capabilities == ("tools", "images", "documents", "structured", "reasoning")
    assert table().entry("openai/gpt-nonesuch").capabilities == ()
    with pytest.raises(RequestFailed) as failed:
        table().entry("nope")
    assert failed.value.fault.kind == "model_not_found"


def test_a_model_none_of_whose_providers_may_be_called_has_no_line() -> None:
    assert table().entry("sonnet", Caller("bob", may=Permits(providers=Grants(["anthropic"])))).provider
    with pytest.raises(RequestFailed, match="does not exist"):
        table().entry("sonnet", Caller("ann", may=Permits(providers=Grants(["gemini"]))))


def test_names_that_stand_for_nothing_are_all_reported() -> None:
    with pytest.raises(ConfigError) as failed:
        Table.build(
            PROVIDERS,
            (Model("lost", ("nobody/x",)), Model("half-1.5", ("openai",))),
            (Alias("a", "b"), Alias("b", "a"), Alias("c.1", "nope"), Alias("d", "a")),
            default_model="nope",
        )
    assert [problem.path for problem in failed.value.problems] == [
        "models.lost",
        'models."half-1.5"',
        "aliases.a",
        "aliases.b",
        'aliases."c.1"',
        "aliases.d",
        "default_model",
    ]


def test_nothing_configured_is_a_table_too() -> None:
    empty = Table.build(())
    assert empty.entries() == []
    with pytest.raises(RequestFailed):
        empty.resolve("gpt-5")


def test_names_can_stand_beside_those_of_the_configuration() -> None:
    configured = table()
    made = msgspec.structs.replace(configured.resolve("gpt"), asked="mine", created=7)
    more = configured.also({"mine": made})
    assert more.resolve("mine") == more.find("mine") == made
    assert more.states("mine")
    assert next(entry.created for entry in more.entries() if entry.id == "mine") == 7
    assert more.resolve("gpt") == configured.resolve("gpt")
    assert configured.find("mine") is None
    assert not configured.states("mine")
    assert more.also({}).find("mine") is None


def test_a_name_that_is_made_hides_one_that_was_found_before() -> None:
    configured = table()
    before = configured.resolve("gpt")
    made = msgspec.structs.replace(before, created=7)
    assert configured.also({"gpt": made}).resolve("gpt") is made
    assert configured.resolve("gpt") is before


def test_who_names_no_model_gets_no_name_that_was_found() -> None:
    table = Table.build([Provider("p", "p", patterns=("*",))])
    assert table.find("") is not None
    with pytest.raises(RequestFailed) as failed:
        table.resolve(None)
    assert failed.value.fault.http_status == 400


# Fallbacks and patterns ----------------------------------------------------------------------------------


def test_fallbacks_are_routes_without_fallbacks_of_their_own() -> None:
    a = Model("a", ("openai/x",), fallbacks=Fallbacks(("b", "anthropic/y"), ("bare",), ("a-fast",)))
    b = Model("b", ("second/x",), timers=SLOW, fallbacks=Fallbacks(("a",)))
    names = Table.build(PROVIDERS, [a, b], [Alias("a-fast", "b", window=5), Alias("bare", "claude-sonnet-5")])
    lists = names.resolve("a").fallbacks
    told = [[one.deployments[0].name for one in lists.of(why)] for why in lists.stated]
    assert told == [["second/x", "anthropic/y"], ["anthropic/claude-sonnet-5"], ["second/x"]]
    assert lists.any[0].deployments[0].timers == SLOW
    assert lists.content[0].deployments[0].window == 5
    assert not any(one.fallbacks.stated for one in lists.any)
    assert names.resolve("b").fallbacks.any[0].deployments[0].name == "openai/x"


def test_an_alias_inherits_fallbacks_or_states_its_own() -> None:
    model = Model("m", ("openai/x",), fallbacks=Fallbacks(("second/x",)))
    aliases = [
        Alias("same", "m"),
        Alias("own", "m", fallbacks=Fallbacks(("anthropic/y",))),
        Alias("further", "own"),
        Alias("none", "m", fallbacks=Fallbacks()),
        Alias("*", "m"),
    ]
    names = Table.build(PROVIDERS, [model], aliases)

    def fallbacks(name: str) -> list[str]:
        return [one.deployments[0].name for one in names.resolve(name).fallbacks.any]

    assert [fallbacks(name) for name in ("same", "own", "further", "none", "whatever")] == [
        ["second/x"],
        ["anthropic/y"],
        ["anthropic/y"],
        [],
        ["second/x"],
    ]


def test_a_default_model_has_its_fallbacks() -> None:
    model = Model("m", ("openai/x",), fallbacks=Fallbacks(("second/x",)))
    names = Table.build(PROVIDERS, [model], default_model="m")
    assert names.resolve(None).fallbacks.stated == ("any",)


def test_fallbacks_that_stand_for_nothing_are_reported() -> None:
    models = [Model("m.1", ("openai/x",), fallbacks=Fallbacks(("nothing",)))]
    aliases = [Alias("a", "openai/x", fallbacks=Fallbacks(content=("neither",)))]
    with pytest.raises(ConfigError) as caught:
        Table.build(PROVIDERS, models, aliases)
    assert [problem.path for problem in caught.value.problems] == [
        'models."m.1".fallbacks',
        "aliases.a.fallbacks",
    ]


BY_PATTERN = (
    Model("team/*", ("acme/*", "openai/*"), windows=(5, 6), supports=(Facts(images=False), None)),
    Model("gpt-*", ("openai/*",), fallbacks=Fallbacks(("second/x",))),
    Model("gpt-5-*", ("second/my-*",)),
    Model("gpt-5-nano", ("anthropic/y",)),
    Model("openai/*", ("second/*",), body={"store": True}),
    Model("few-*", ("meta/*",)),
)


@pytest.mark.parametrize(
    ("name", "deployments"),
    [
        ("gpt-4.1", ["openai/gpt-4.1"]),
        ("gpt-5-mini", ["second/my-mini"]),
        ("gpt-5-nano", ["anthropic/y"]),
        ("openai/gpt-5", ["second/gpt-5"]),
        ("second/gpt-5", ["second/gpt-5"]),
        ("team/acme-7b", ["acme/acme-7b", "openai/acme-7b"]),
        ("team/other", ["openai/other"]),
        ("acme-7b", ["acme/acme-7b"]),
    ],
)
def test_names_by_pattern(name: str, deployments: list[str]) -> None:
    names = Table.build(PROVIDERS, BY_PATTERN)
    for _ in range(2):
        route = names.resolve(name)
        assert [one.name for one in route.deployments] == deployments
        assert route.asked == name


def test_what_a_pattern_states_goes_with_its_deployment() -> None:
    names = Table.build(PROVIDERS, BY_PATTERN)
    both = names.resolve("team/acme-7b").deployments
    assert [(one.window, one.facts.images) for one in both] == [(5, False), (6, None)]
    (one,) = names.resolve("team/other").deployments
    assert (one.window, one.facts.images) == (6, None)
    assert names.resolve("openai/x").deployments[0].body["store"] is True
    assert names.resolve("gpt-4").fallbacks.any[0].deployments[0].name == "second/x"


def test_a_pattern_that_no_provider_can_serve_leaves_the_name_to_other_rules() -> None:
    names = Table.build(PROVIDERS, BY_PATTERN)
    with pytest.raises(RequestFailed):
        names.resolve("few-x")


def test_patterns_are_not_listed_and_not_names() -> None:
    names = Table.build(PROVIDERS, BY_PATTERN)
    assert not any("*" in entry.id for entry in names.entries())
    assert not names.states("gpt-*")
    assert names.states("gpt-5-nano")


def test_names_by_pattern_are_not_all_remembered() -> None:
    names = Table.build(PROVIDERS, BY_PATTERN)
    for number in range(1100):
        assert names.resolve(f"gpt-{number}").deployments[0].model == f"gpt-{number}"
    assert len(names._found) <= 1024


def test_a_reserved_name_exists_for_whom_it_is_reserved_only() -> None:
    names = table(
        Alias("*", "gpt", defaults={"seed": 9}),
        Alias("plan", "gpt", opening=(Message("user", (Text("a"),)),), reserved=Reserved("acme", "gpt")),
        Alias("gpt-4.1", "openai/gpt-5", reserved=Reserved("acme")),
        default_model="plan",
    )
    ann, bob = Caller("ann", tenant="acme"), Caller("bob", tenant="beta")
    boss = Caller("boss", scopes=frozenset({"admin"}))
    small = Caller("small", Grants(["plan"]), tenant="acme")
    for _ in range(2):  # the second time the table remembers the name
        found = [names.resolve("plan", caller=one) for one in (ann, boss, bob, small)]
        assert [len(one.opening) for one in found] == [1, 1, 0, 0]
        assert [one.defaults.get("seed") for one in found] == [1, 1, 9, 9]
        direct = [names.resolve("gpt-4.1", caller=one) for one in (ann, bob)]
        assert [one.first.deployment.model for one in direct] == ["gpt-5", "gpt-4.1"]
    listed = [{entry.id for entry in names.entries(caller=one)} for one in (ann, bob)]
    assert ["plan" in ids for ids in listed] == [True, False]
    assert names.entry("plan", ann).id == "plan"
    with pytest.raises(RequestFailed):
        names.entry("plan", bob)
    assert names.resolve(None, caller=ann).asked == "plan"
    with pytest.raises(RequestFailed, match="default_model"):
        names.resolve(None, caller=bob)
    names = table(Alias("gpt-4.1", "gpt", reserved=Reserved("acme")), default_model="gpt-4.1")
    assert names.resolve(None, caller=bob).first.deployment.model == "gpt-4.1"


def test_a_reserved_name_is_advised_to_nobody() -> None:
    names = table(Alias("secret-plan", "gpt", reserved=Reserved("acme")))
    with pytest.raises(RequestFailed, match=r"^(?!.*secret-plan)"):
        names.resolve("secret-pla", caller=Caller("bob"))


def test_none_takes_a_default_of_the_target_away() -> None:
    low = Alias("low", "gpt", defaults={"seed": 1, "top_p": 0.5})
    names = table(low, Alias("lower", "low", {"seed": None}))
    assert names.resolve("lower").defaults == {"top_p": 0.5}


def test_a_fetched_list_gives_a_meaning_only_to_names_without_one() -> None:
    """In the order of the configuration; a vendor's pattern, and what is configured, come before."""
    facts = {name: Facts(context=9) for name in ("gpt-5", "acme-7b", "house", "maker/house")}
    first = Provider("first", "", listed=facts, offered=frozenset(facts))
    second = Provider("second-list", "", listed=facts, offered=frozenset({"house"}))
    hidden = Provider("hidden", "", models=("x",), listed=facts, offered=frozenset(facts))
    made = Table.build((hidden, first, second, *PROVIDERS))
    found = {name: made.resolve(name).deployments[0] for name in facts}
    assert [one.provider for one in found.values()] == ["openai", "acme", "first", "first"]
    assert found["house"].room == 9
    assert made.resolve("first/house").deployments[0].within(100).room == 9
    assert made.resolve("first/house").deployments[0].within(5).room == 5
    assert made.resolve("hidden/x").deployments[0].room is None
    assert set(made.discovered()) == {*(f"first/{name}" for name in facts), "second-list/house"}
    assert made.find("nothing") is None


@pytest.mark.parametrize(
    ("name", "counted", "bare"),
    [
        ("gpt", ("gpt",), ""),
        ("faster", ("gpt",), ""),
        ("claude-haiku-4-5", ("anthropic/claude-haiku-4-5",), "claude-haiku-4-5"),
        ("anthropic/claude-haiku-4-5", ("anthropic/claude-haiku-4-5",), "claude-haiku-4-5"),
        ("bare", ("anthropic/claude-sonnet-4-5",), "claude-sonnet-4-5"),
        ("acme-7b", ("acme/acme-7b",), "acme-7b"),
        ("acme/acme-7b", ("acme/acme-7b",), "acme-7b"),
        ("second/gpt-4.1", ("second/gpt-4.1",), ""),  # without the provider it is openai's
        ("openai/gpt-5", ("gpt", "both"), ""),  # without the provider it is acme's
        ("second/gpt-5", ("gpt",), ""),
        ("openai/gpt-4o", ("gpt-4o",), ""),
    ],
)
def test_no_spelling_has_limits_of_its_own(name: str, counted: tuple[str, ...], bare: str) -> None:
    """A deployment that is named counts for all models that have it."""
    providers = (Provider("acme", "", models=("acme-7b", "gpt-5")), *PROVIDERS[:2], PROVIDERS[4])
    models = (MODELS[0], MODELS[2], Model("both", ("openai/gpt-5", "openai/gpt-5")))
    found = Table.build(providers, models, ALIASES[:2] + ALIASES[3:]).resolve(name)
    assert (found.counted, found.bare) == (counted, bare)


def test_names_that_match_a_pattern_are_one_model_if_they_mean_the_same() -> None:
    models = (
        Model("team/*", ("openai/gpt-5",)),
        Model("all/*", ("openai/*",)),
        Model("some/*", ("openai/gpt-4.1", "openai/*")),
    )
    names = Table.build(PROVIDERS, models)
    assert names.resolve("team/a").counted == names.resolve("team/b").counted == ("team/*",)
    assert names.resolve("all/gpt-5").counted == ("all/gpt-5",)
    assert names.resolve("some/gpt-5").counted == ("some/gpt-5",)
    assert names.resolve("openai/gpt-5").counted == ("team/*", "some/gpt-5", "all/gpt-5")
    assert names.resolve("openai/o9").counted == ("openai/o9", "some/o9", "all/o9")

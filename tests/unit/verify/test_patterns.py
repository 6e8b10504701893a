"""Patterns are measured before they are compiled, mean what ECMA-262 says, and can be stopped."""

from __future__ import annotations

import re
import time

import pytest
import regex

from dragoman.verify.bounds import PATTERN_SECONDS, Budget, Exhausted
from dragoman.verify.patterns import LONGEST_PATTERN, MOST_PARTS, TooCostly, compiled


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("c$", "abc", True),
        ("c$", "abc\n", False),  # Python's own `$` would allow the line's end
        ("[$]", "a$", True),
        (r"\$", "a$", True),
        (r"^\d+$", "12", True),
        (r"^\d+$", "\u0661\u0662", False),  # digits of another script are none in ECMA-262
        (r"^[\d-]+$", "1-2", True),
        (r"^\w+$", "aä", False),
        (r"^[\w.]+$", "a.b", True),
        (r"^\W$", "ä", True),
        (r"^\D$", "\u0661", True),
        (r"^[^]]$", "a", True),
        ("^[^]$", "\n", True),
        ("^[^]$", "]", True),
        ("^[^]$", "ab", False),
        (r"^a[^]\]$", "ab]", True),
        ("^[^]*$", "a\n]\U0001f600", True),
        ("^[^]+?[a-c]{2}[^]?$", "\nab", True),
        ("^[^]+?[a-c]{2}[^]?$", "ab", False),
        ("a[]", "a", False),
        ("a|[]", "a", True),
        ("^[]*$", "", True),
        ("^[]?[a]$", "a", True),
        ("^[]?[a]$", "?", False),
        ("(?i)^a[^]$", "Ab", True),
        # A class of Python's: its first member is a bracket.
        ("^[]a]+$", "a]", True),
        ("^[]*+]+$", "*]+", True),
        ("^[^][]+$", "a", True),
        ("^[^][]+$", "[", False),
        (r"^\p{L}+$", "aä", True),
        (r"^a\/b$", "a/b", True),
        (r"^\u0061$", "a", True),
        # What pydantic writes for a Decimal.
        (r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$", "12.50", True),
        (r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$", "-.", False),
    ],
)
def test_patterns_mean_what_ecma_says(pattern: str, text: str, found: bool) -> None:
    assert Budget(time.perf_counter).search(compiled(pattern), text) is found


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^[\s\S]$", "\n", True),
        (r"^[\D]$", "\u0661", True),
        (r"^[\D]$", "5", False),
        (r"^[\W]+$", "ä[^`{", True),
        (r"^[\W]$", "_", False),
        (r"(?i)^\W$", "k", False),
        (r"^\S+$", "aä", True),
        (r"^[^\S]$", " ", True),
        (r"^[[:alpha:]]$", "a]", True),  # no class of POSIX: one of `[:alph`, and a bracket
        (r"^[&&a]$", "&", True),
        (r"^[\b]$", "\b", True),
        (r"^[a\-z]$", "b", False),
        (r"^[\w-.]+$", "a-.", True),
        (r"^a{,2}$", "aa", True),
        (r"^a{}{,}$", "a{}{,}", True),
        ("^a{e<=2}$", "a{e<=2}", True),  # no fuzzy match
        ("^a{e<=2}$", "b", False),
        (r"^\cA\x41\u0042\u{1F600}$", "\x01AB\U0001f600", True),
        (r"^\t\n\r\f\v\0$", "\t\n\r\f\v\0", True),
        (r"^(?<y>a)\k<y>$", "aa", True),
        (r"^(?P<y>a)(?P=y)$", "ab", False),
        (r"^(a)(b)\2\1$", "abba", True),
        (r"^(?i)STRASSE$", "strasse", True),
        (r"^(?i:a)b$", "Ab", True),
        (r"^(?s:.)$", "\n", True),
        (r"^.$", "\n", False),
        (r"\Aab\Z", "ab", True),
        (r"^a++b*+c?+$", "aabc", True),
        (r"^(?>a+)b$", "aab", True),
        (r"(?<!a)b(?!c)", "bd", True),
        (r"^\P{L}$", "1", True),
        (r"^[\p{L}\p{N}_]+$", "aä1_", True),
        ("^" + "abcdefgh" * 20 + "$", "abcdefgh" * 20, True),
        ("^" + "abcdefgh" * 20 + "$", "abcdefgh" * 19 + "abcdefgg", False),
        ("(?i)^" + "abcdefgh" * 20 + "$", "ABCDEFGH" * 20, True),
        ("^äöü€\U0001f600 -/:$", "äöü€\U0001f600 -/:", True),
    ],
)
def test_what_the_engine_would_read_in_its_own_way(pattern: str, text: str, found: bool) -> None:
    assert Budget(time.perf_counter).search(compiled(pattern), text) is found


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "a)", "[", "[a", "[a-", "a\\", "*", "a**", "^*", "[b-a]", "(?<n>a)(?<n", r"(a)\10"),
        *("(?R)", "(a)(?1)", "(?&n)", "(?|a)", "(?x)a b", "(?e)a", "(?(1)a)", "(*PRUNE)", "(?#a)"),
        *(
            r"\L<n>",
            r"\R",
            r"\X",
            r"\G",
            r"\K",
            r"\N{BULLET}",
            r"\p{Nope}",
            r"\2",
            r"\u{110000}",
            r"[\1]",
            r"\pL[",
        ),
    ],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * (LONGEST_PATTERN + 1),
        "a{2000000}",
        r"\d{90000000}",
        "a{" + "9" * 1000 + "}",
        "a{1000000,}",
        "(?:a{100}){101}",
        "(a{100}b){100,}",
        "(?:" * 15 + "ab|c" + "){2,}" * 15,  # 18 GB
        "(?:" * 20 + "a|bb" + ")+" * 20,
        "(?:(?:(?:a|b){9}|c){9}|d){9}" * 40,
        "(" * 51 + "a" + ")" * 51,
        "[" + "".join(map(chr, range(0x100, 0x800))) + "]{100}",
    ],
)
def test_what_is_too_large_is_refused_before_it_is_compiled(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regex, "compile", None)
    with pytest.raises(TooCostly):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-f0-9]{64}$",
        "^.{0,200000}$",
        "^[A-Za-z0-9+/]{4096}$",
        "(?:a?){500}",
        r"^\p{L}{1,200}$",
        "(?:ab){1,300}",
    ],
)
def test_what_people_write_has_room(pattern: str) -> None:
    assert compiled(pattern).parts < MOST_PARTS


def test_parts_are_what_the_engine_makes_of_a_pattern() -> None:
    """It writes a repetition out as often as its lower count says, and once more."""
    assert compiled("a").parts == 2
    assert compiled("a{9}").parts == 12
    assert compiled("a{9,}").parts == 12
    assert compiled("a*").parts == 3
    assert compiled("(?:a{9}){9}").parts == 132


def test_the_engine_keeps_no_pattern() -> None:
    compiled("^kept by nobody but us$")
    assert not any("nobody" in str(key) for key in regex._main._cache)


def test_no_literal_text_is_left_to_the_engines_tables() -> None:
    """They take cubic time, which the time limit does not notice: three seconds for these 1,600 letters."""
    began = time.process_time()
    for pattern in ("k" * 1600, "(?i)" + "k" * 1600, "(?i)" + "ka" * 800, "(?:" + "k" * 1600 + ")+"):
        found = compiled(pattern)
        assert not re.search(r"\w{4}", found.regex.pattern.replace("x6b", ""))
        Budget(time.perf_counter).search(found, "k" * 1700)
    assert time.process_time() - began < 1


def test_a_text_is_searched_as_far_as_the_time_limit_holds() -> None:
    """One step of the engine may walk over all of it, and only every 256th looks at the clock."""
    simple, dear, folded = (
        compiled("^a*$"),
        compiled("[" + "".join(map(chr, range(0x100, 0x200, 2))) + "]"),
        compiled("(?i)a"),
    )
    assert simple.reach > 60_000
    assert dear.reach < 5_000
    assert folded.reach < simple.reach / 2
    assert compiled(r"[\s\S]*").reach == simple.reach
    with pytest.raises(Exhausted):
        Budget(time.perf_counter).search(simple, "a" * (simple.reach + 1))


@pytest.mark.parametrize(
    "pattern", ["[ab]+[☃☄]", "(?:a|b)*[☃☄]", "(?i)k+[☃☄]", r"(a+)\1[☃☄]", "[a-z]+?[☃☄]$"]
)
def test_the_time_limit_holds(pattern: str) -> None:
    found = compiled(pattern)
    text = ("k" if "k" in pattern else "a") * found.reach
    began = time.process_time()
    with pytest.raises(Exhausted):
        Budget(time.perf_counter).search(found, text)
    assert time.process_time() - began < 10 * PATTERN_SECONDS

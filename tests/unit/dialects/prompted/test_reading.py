"""The reader of marked calls, with a call that is one letter and its closing mark."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.dialects.prompted.reading import (
    BROKEN,
    Begun,
    Body,
    Broken,
    Call,
    Complete,
    Ended,
    Piece,
    TextReader,
    Written,
)
from dragoman.dialects.prompted.work import Work


class Letter:
    def __init__(self) -> None:
        self.text = ""

    def feed(self, text: str) -> Complete | Broken | None:
        self.text += text
        if self.text[:1] == "?":
            return BROKEN
        if len(self.text) < 2:
            return None
        return Complete((Call(self.text[0], "{}"),), self.text[2:]) if self.text[1] == ")" else BROKEN


def body(_work: Work | None = None) -> Body:
    return Letter()


CALL: Sequence[Piece] = (Begun("a"), Written("{}"), Ended())


def test_plain_text_comes_at_once() -> None:
    reader = TextReader({"((": body})
    assert reader.feed("one ") == ["one "]
    assert reader.feed(" ") == [" "]
    assert reader.feed("two(") == ["two"]
    assert reader.feed("x") == ["(x"]
    assert reader.close() == []


def test_white_space_before_and_behind_calls_is_left_out() -> None:
    reader = TextReader({"((": body})
    assert reader.feed("\n ") == []
    assert reader.feed("((") == []
    assert reader.feed("a) \n((a)") == [*CALL, *CALL]
    assert reader.feed(" ") == []
    assert reader.close() == []


def test_white_space_alone_is_text() -> None:
    reader = TextReader({"((": body})
    assert [*reader.feed(" \n"), *reader.close()] == [" \n"]
    long = TextReader({"((": body})
    assert long.feed(" " * 200) == [" " * 200]


def test_a_broken_call_is_text_and_is_read_again() -> None:
    reader = TextReader({"((": body})
    assert reader.feed(" ((?((a)b") == [" ((", "?", *CALL, "b"]
    open_ = TextReader({"((": body})
    assert open_.feed("((a") == []
    assert "".join(piece for piece in open_.close() if isinstance(piece, str)) == "((a"


def test_the_longest_mark_counts() -> None:
    reader = TextReader({"(": body, "((": body})
    assert reader.feed("((a)") == list(CALL)


def test_short_broken_calls_hide_no_later_call() -> None:
    reader = TextReader({"((": body})
    reader.feed("((?" * 5000)
    assert reader.feed("((a)") == list(CALL)


class Endless:
    """A call that never ends."""

    def feed(self, text: str) -> Complete | Broken | None:
        return None


def test_when_much_was_read_again_all_is_text() -> None:
    text = "((" * 40_000
    reader = TextReader({"((": lambda _work: Endless()})
    assert reader.feed(text) == []
    pieces = reader.close()
    assert "".join(map(str, pieces)) == text
    assert sum(piece == "((" for piece in pieces) < 100, "each of these is a reading of the whole text"


def test_a_call_that_was_cut_off_holds_no_other_call() -> None:
    """The limit of tokens was reached within a value, for example the content of a file."""
    said: dict[bool, Sequence[Piece]] = {}
    for cut in (False, True):
        reader = TextReader({"((": body, "[[": lambda _work: Endless()})
        assert reader.feed("Hi. [[ ((a) b") == ["Hi. "]
        said[cut] = reader.close(cut=cut)
    assert said[False] == ["[[", " ", *CALL, " b"]
    assert said[True] == ["[[", " ((a) b"]


def test_without_marks_all_is_text() -> None:
    reader = TextReader({})
    assert [*reader.feed("((a)"), *reader.close()] == ["((a)"]


def test_after_many_calls_all_is_text() -> None:
    reader = TextReader({"((": body})
    pieces = [*reader.feed("((a)" * 1003), *reader.close()]
    assert sum(isinstance(piece, Begun) for piece in pieces) == 1000
    assert pieces[-1] == "((a)" * 3


class Many:
    """A body of so many calls: `((1000)`."""

    def feed(self, text: str) -> Complete | Broken | None:
        count, _, rest = text.partition(")")
        return Complete((Call("a", "{}"),) * int(count), rest)


def test_calls_that_come_together_count_as_many() -> None:
    reader = TextReader({"((": lambda *_: Many()})
    pieces = [*reader.feed("((1)" * 999 + "((1000)((1)"), *reader.close()]
    assert sum(isinstance(piece, Begun) for piece in pieces) == 1000
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == "((1000)"


def test_long_pieces_are_read_as_short_ones_are() -> None:
    text = f"{'x' * 5000}((a){'y' * 9000}((?{'z' * 9000}((a)"
    pieces = TextReader({"((": body}).feed(text)
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == text.replace("((a)", "")
    assert sum(isinstance(piece, Begun) for piece in pieces) == 2

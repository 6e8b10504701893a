"""Calls as XML elements. How they are read is in `test_notation`, what their values are in `test_values`."""

from __future__ import annotations

from dragoman.dialects.prompted.reading import Broken, Complete
from dragoman.dialects.prompted.work import Work
from dragoman.dialects.prompted.xml import openings, written

READ = {"type": "object", "properties": {"path": {"type": "string"}}}


def test_only_declared_tools_have_tags() -> None:
    assert set(openings({"read": READ})) == {"<read>", "<read/>", "<read />"}


def test_a_text_behind_a_tag_that_is_no_parameter_breaks_the_call_at_once() -> None:
    body = openings({"read": READ})["<read>"](Work())
    assert body.feed(" \n<") is None
    assert body.feed("pat") is None
    assert isinstance(body.feed("tern>"), Broken)
    free = openings({"read": {}})["<read>"](Work())
    assert isinstance(free.feed(" it"), Broken)


def test_a_call_ends_where_its_parameters_are_closed() -> None:
    body = openings({"read": READ})["<read>"](Work())
    assert body.feed("<path>a</read>b</pa") is None
    done = body.feed("th></read>rest")
    assert isinstance(done, Complete)
    assert (done.calls[0].arguments, done.rest) == ('{"path":"a</read>b"}', "rest")


def test_only_a_closing_tag_that_may_end_the_call_is_tried() -> None:
    body = openings({"read": READ})["<read>"](Work())
    assert body.feed(f"<path>{'x</read>' * 10_000}") is None
    assert isinstance(body.feed("</path></read>"), Complete)


def test_closing_tags_are_tried_only_while_there_is_work_left() -> None:
    body = openings({"read": READ})["<read>"](Work())
    tried = 0
    while body.feed(f"<path>{'x' * 5_000}></read>") is None:
        tried += 1
    assert 5 < tried < 20


def test_how_calls_are_shown() -> None:
    assert written("read", '{"path":"a.py","n":5,"deep":true,"none":[]}') == (
        "<read>\n<path>a.py</path>\n<n>5</n>\n<deep>true</deep>\n<none>[]</none>\n</read>"
    )
    assert written("read", '{"o":{"a":1},"l":["x",{}],"p":"</p>]]>"}') == (
        "<read>\n<o><a>1</a></o>\n<l><item>x</item><item>{}</item></l>\n"
        "<p><![CDATA[</p>]]]]><![CDATA[>]]></p>\n</read>"
    )
    assert written("read", '{"o":{"not a tag":1}}') == '<read>\n<o>{"not a tag":1}</o>\n</read>'
    assert written("read", "no object") == "<read>\n<![CDATA[no object]]>\n</read>"

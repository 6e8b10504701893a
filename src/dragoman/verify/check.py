"""Checks an answer on its way to the client against the form that its request demands.

If a complete answer (not a stream) fails the check, the attempt fails, and the engine may make another
attempt. A stream is passed on as it arrives; if its text is wrong at the end, an error event replaces the
finish event. If the answer violates its schema, the error names the JSON path of the mistake (with the names
that the model wrote) and the violated keyword of the schema, but never a value that the model wrote.

Only text that is meant as the answer is checked. A candidate (one of several alternative answers) is not
checked if it was cut off, refused or filtered, or if it calls a tool of the client: its stop reason already
says what happened.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.verify.bounds import Budget, Exhausted
from dragoman.verify.conformance import compile_schema, parsed
from dragoman.verify.keywords import Breach, Test, Unusable

LONGEST_TEXT: Final = 1_000_000
"""The most characters of one candidate's text. A longer text is not checked, and counts as wrong."""
LARGEST_SCHEMA: Final = 200_000
"""The most bytes of one schema, as JSON without spaces. Compiled, it takes up to 70 times as much memory."""
_MOST_CACHED: Final = 400_000
"""The most bytes of all cached schemas together, as JSON without spaces, with `_PART_BYTES` for each compiled
part of their regular expressions. Compiled, they take about 30 MB of memory.
"""
_PART_BYTES: Final = 10
"""How many bytes each compiled part of a regular expression adds to its schema's size in the cache."""

SCHEMA_TOO_LARGE: Final = "json_schema_too_large"
"""The code of the fault if the client's schema takes too much memory or time to compile."""
CHECK_TOO_LONG: Final = "output_check_too_long"
"""The code of the fault if the model's answer is too long, or takes too much work, to check."""


class Form(msgspec.Struct, frozen=True):
    """The form that an answer must have. test: the test of the answer's JSON value; None = any JSON is
    accepted.
    """

    test: Test | None = None


def form_of(output: ir.Output | None) -> Form | None:
    """Return the form that a request demands of its answer; None = the request allows plain text, or `output`
    is None.

    Raises RequestFailed (400) for a schema that cannot be checked. The fault's param is the place in the IR
    ("output.schema.…").
    """
    if output is None or output.kind == "text":
        return None
    if output.kind == "json" or output.schema is None:
        return Form()
    written = msgspec.json.encode(output.schema)
    try:
        if len(written) > LARGEST_SCHEMA:
            large = f"schemas of more than {LARGEST_SCHEMA} bytes are not supported"
            raise Unusable("", large, too_large=True)
        return Form(_CACHE.test(written))
    except Unusable as error:
        joint = "." if error.path and not error.path.startswith("[") else ""
        raise RequestFailed(
            ir.Fault(
                "invalid_request",
                f"Responses cannot be validated against this schema: {error.message}.",
                code=SCHEMA_TOO_LARGE if error.too_large else "invalid_json_schema",
                param=f"output.schema{joint}{error.path}",
            )
        ) from error


class _SchemaCache:
    """A cache of compiled schemas, by their text. When the cache is full, it drops the least recently used
    schemas.
    """

    def __init__(self) -> None:
        self._tests: dict[bytes, tuple[Test, int]] = {}
        self._weight = 0

    def test(self, schema: bytes) -> Test:
        """Return the test of a schema, from the cache or compiled now. schema: a JSON object, as JSON. Raises
        Unusable if the schema cannot be compiled.
        """
        known = self._tests.pop(schema, None)
        if known is None:
            made = compile_schema(msgspec.json.decode(schema))
            known = made.test, len(schema) + _PART_BYTES * made.parts
            self._weight += known[1]
            while self._tests and self._weight > _MOST_CACHED:
                self._weight -= self._tests.pop(next(iter(self._tests)))[1]
        self._tests[schema] = known
        return known[0]


_CACHE: Final = _SchemaCache()


class CheckOutput:
    """Checks one answer against `form`. Call `whole` for a complete answer. For a stream, call `feed` for
    each event whose type is in `takes`. clock: returns monotonic seconds.
    """

    takes: Final = frozenset({ir.TextDelta, ir.RefusalDelta, ir.Open, ir.Close, ir.Finish})

    def __init__(self, form: Form, clock: Callable[[], float]) -> None:
        self._form = form
        self._clock = clock
        self._candidates: defaultdict[int, _CandidateText] = defaultdict(_CandidateText)

    def whole(self, response: ir.Response) -> ir.Response:
        """Return the answer unchanged. Raises RequestFailed (502) if a candidate that is checked does not
        have the form, or if its text is too long or its check takes too much work.
        """
        for candidate in response.candidates:
            said = _CandidateText()
            for index, block in enumerate(candidate.blocks):
                said.replace(index, block)
            if (fault := self._fault_of(said, candidate.stop)) is not None:
                raise RequestFailed(fault)
        return response

    def feed(self, event: ir.Event) -> Sequence[ir.Event]:
        """Return the events to pass on in place of `event`: normally `event` itself. A Finish becomes an
        Error if the candidate is checked, and its text does not have the form, is too long, or takes too much
        work to check.
        """
        if isinstance(event, ir.TextDelta):
            self._candidates[event.candidate].add(event.index, event.text)
        elif isinstance(event, ir.RefusalDelta):
            self._candidates[event.candidate].replace(event.index, ir.Refusal(event.text))
        elif isinstance(event, ir.Open | ir.Close):
            if event.block is not None:
                self._candidates[event.candidate].replace(event.index, event.block)
        elif isinstance(event, ir.Finish):
            said = self._candidates.pop(event.candidate, None) or _CandidateText()
            if (fault := self._fault_of(said, event.stop)) is not None:
                return (ir.Error(fault),)
        return (event,)

    def _fault_of(self, said: _CandidateText, stop: ir.Stop | None) -> ir.Fault | None:
        if said.other or (stop is not None and stop.reason not in _ENDED):
            return None
        mistake, code = self._mistake(said)
        if mistake is None:
            return None
        return ir.Fault("upstream", f"The model's response {mistake}.", code=code, blame="upstream")

    def _mistake(self, said: _CandidateText) -> tuple[str | None, str]:
        """Return (mistake, code). mistake: what is wrong, in words that follow "The model's response"; None =
        nothing is wrong. code: the code of the fault for the mistake.
        """
        if said.length > LONGEST_TEXT:
            return f"is longer than {LONGEST_TEXT} characters, so it cannot be validated", CHECK_TOO_LONG
        try:
            value = parsed(said.text())
            test = self._form.test
            breach = None if test is None else test(value, Budget(self._clock))
        except (Exhausted, RecursionError):
            return "takes too long to validate against its schema", CHECK_TOO_LONG
        except ValueError:
            return "is not JSON", _WRONG
        if breach is None:
            return None, _WRONG
        return f"does not match its schema at {_path(breach)} ({breach.keyword})", _WRONG


_WRONG: Final = "invalid_output"
_ENDED: Final = frozenset({"end", "sequence", "other"})
"""The stop reasons of candidates that are checked. A candidate without a stop reason is checked, too."""


@dataclass(slots=True)
class _CandidateText:
    """The text of one candidate. length: its characters; text beyond `LONGEST_TEXT` characters is counted,
    but not stored. other: True = this candidate refuses or calls a tool of the client, so it is not checked.
    """

    _texts: dict[int, list[str]] = field(default_factory=dict)
    length: int = 0
    other: bool = False

    def add(self, index: int, text: str) -> None:
        self.length += len(text)
        if self.length <= LONGEST_TEXT:
            self._texts.setdefault(index, []).append(text)

    def replace(self, index: int, block: ir.Block) -> None:
        """If the block is a Text, make its text the text of the block number `index`. If it is a refusal with
        a text or a call of a client's tool, set `other`. Ignore other blocks.
        """
        if isinstance(block, ir.Text):
            self.length -= sum(map(len, self._texts.pop(index, ())))
            self.add(index, block.text)
        elif (isinstance(block, ir.ToolCall) and block.by == "client") or (
            isinstance(block, ir.Refusal) and block.text
        ):
            self.other = True

    def text(self) -> str:
        return "".join("".join(pieces) for _, pieces in sorted(self._texts.items()))


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_LONGEST_PATH: Final = 200


def _path(breach: Breach) -> str:
    """Return the place of a mistake as a JSON path (`$.items[2].name`). A path is cut after `_LONGEST_PATH`
    characters, because a model may write long names.
    """
    path = "$"
    for step in breach.path:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if _NAME.match(step) else f"[{msgspec.json.encode(step).decode()}]"
        if len(path) > _LONGEST_PATH:
            return path[:_LONGEST_PATH] + "…"
    return path

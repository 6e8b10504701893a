"""The laws for every codec, as functions over one exchange.

    request    check accepts it · decode and encode give it back · the IR survives the same trip · extra
               holds no key that the IR carries · every other dialect, and every vendor with deviations,
               carries each fact or reports its loss · relay changes only what it is told to
    response   the same laws, and fold(unfold(r)) == r, and the answer survives being streamed
    stream     any byte split gives the same frames · the grammar holds · events, bytes and events again
               fold to the same answer · every other dialect carries it · relay passes every frame ·
               a stream that is cut off is a whole answer neither for the decoder nor for the relay
    error      every face renders it, and decodes its own rendering as the same fault
    mutants    an odd form of any of these is refused with a message, or its content is carried or
               reported as lost; it causes no exception but WireError and RequestFailed

A law yields one sentence for each violation; a crash is a violation, too. A law is never loosened for one
codec: permitted differences are stated in `canonical`, with their reasons, and a wrong recording is listed by
name as an exception.

`python -m dragoman.testing FOLDER` holds every codec to the laws over the recordings in a folder.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.testing import facts
from dragoman.testing.canonical import CanonicalForm, differences
from dragoman.testing.case import QUIRKS, Case, check_grammar, copy_of, cuts, events_of, split, streamed
from dragoman.testing.mutations import Mutant, mutants, odd_streams
from dragoman.wire import json

# --- Requests ----------------------------------------------------------------------------------


def request_check(case: Case) -> Iterator[str]:
    """The check accepts a request that a provider accepted. Azure has the model in the URL."""
    wire = case.wire_request
    wire.body.setdefault("model", case.exchange.model or "model")
    if case.accepted:
        case.dialect.check_widely(wire, case.widens)
    yield from ()


def request_identity(case: Case) -> Iterator[str]:
    """Decode and encode give the request back, up to the canonical form."""
    report = Report(case.dialect.name)
    wire = case.dialect.request.encode(case.request, Target(report))
    yield from map(str, differences(case.body, _plain(wire.body), case.canon.request))
    yield from (f"names a loss to itself: {loss.path}: {loss.reason}" for loss in report.losses)


def request_ir(case: Case) -> Iterator[str]:
    """Encode and decode give the IR back."""
    wire = case.dialect.request.encode(case.request, Target(Report(case.dialect.name)))
    owed = case.canon.request.may_add - case.body.keys()  # the encoder added these, not the client
    body = {key: value for key, value in _plain(wire.body).items() if key not in owed}
    again = case.dialect.request.decode(
        WireRequest("chat", body, wire.method, wire.path, wire.params, wire.query, wire.headers)
    )
    yield from _unequal(case.request, again)


def request_maps(case: Case) -> Iterator[str]:
    """No key that the IR carries is left in extra."""
    for dialect, keys in (case.request.extra or {}).items():
        yield from (
            f"{key} is mapped, yet it is in extra" for key in keys.keys() & case.dialect.request.members
        )
        if dialect != case.dialect.name:
            yield f"leftovers under another dialect's name: {dialect}"


def request_brief(case: Case) -> Iterator[str]:
    """The brief decoder agrees with the full one."""
    brief = case.dialect.request.brief(case.wire_request)
    for field in ("model", "stream", "stream_usage"):
        short, whole = getattr(brief, field), getattr(case.request, field)
        if short != whole:
            yield f"{field}: {short!r} in brief, {whole!r} in whole"


def request_cross(case: Case) -> Iterator[str]:
    """Every other dialect carries each fact, or reports its loss at the client's own place, or refuses."""
    for other in case.others:
        yield from _carried(case, other, other.name, STANDARD)


def request_quirks(case: Case) -> Iterator[str]:
    """Every vendor with deviations gets each fact, or its loss is reported."""
    for dialect in (case.dialect, *case.others):
        for vendor, quirks in QUIRKS.get(dialect.name, {}).items():
            yield from _carried(case, dialect, vendor, quirks)


def _carried(case: Case, dialect: Dialect, to: str, quirks: Quirks) -> Iterator[str]:
    if dialect is not case.dialect and case.beyond:
        return  # the gateway refuses it before it chooses another protocol
    report = Report(dialect.name)
    try:
        if case.dialect.request.check_portable is not None and dialect is not case.dialect:
            case.dialect.request.check_portable(case.wire_request)
        wire = dialect.request.encode(case.request, Target(report, model="model", quirks=quirks))
    except WireError as error:
        if not error.path:
            yield f"to {to}: refused without naming a place: {error}"
        return
    body = _plain(wire.body)
    if dialect is not case.dialect:  # `request_check` judges the client's own body
        dialect.request.check(
            WireRequest("chat", copy_of(body), path=wire.path, params=wire.params, headers=wire.headers)
        )
    again = dialect.request.decode(
        WireRequest("chat", body, wire.method, wire.path, wire.params, wire.query, wire.headers)
    )
    lost = facts.missing(facts.of_request(case.request), facts.of_request(again), report)
    yield from (f"to {to}: lost in silence: {fact}" for fact in lost)
    locate = case.dialect.locator(case.wire_request)
    for loss in report.losses:
        place = locate(loss.path)
        in_header = place.removeprefix("$.").partition(".")[0] in case.wire_request.headers
        if not (in_header or _has(case.body, place)):
            yield f"to {to}: the loss {loss.path} is located at {place}, which is not in the body"


def request_relay(case: Case) -> Iterator[str]:
    """Relay changes only the keys that it is told to; a model that belongs into the URL is in no body."""
    head = json.decode_head(msgspec.json.encode(case.body))
    edits = {"model": "renamed", "gone": msgspec.UNSET}
    relayed = json.decode_head(case.dialect.relay.request({**head, "gone": msgspec.Raw(b"1")}, edits))
    wanted = {key: bytes(value) for key, value in head.items()}
    if "{model}" not in case.dialect.paths.chat:
        wanted["model"] = b'"renamed"'
    else:
        wanted.pop("model", None)  # some of Google's clients write it into URL and body
    yield from _same_bytes(wanted, relayed)


# --- Answers -----------------------------------------------------------------------------------


def response_identity(case: Case) -> Iterator[str]:
    """Decode and encode give the answer back, up to the canonical form."""
    report = Report(case.dialect.name, "response")
    body = case.dialect.response.encode(case.response, case.reply(case.dialect, report))
    yield from map(str, differences(case.answer, _plain(body), case.canon.response))
    yield from (f"names a loss to itself: {loss.path}: {loss.reason}" for loss in report.losses)


def response_ir(case: Case) -> Iterator[str]:
    """Encode and decode give the IR back, up to the members that the gateway fills in."""
    reply = case.reply(case.dialect, Report(case.dialect.name, "response"))
    again = case.dialect.response.decode(_plain(case.dialect.response.encode(case.response, reply)), STANDARD)
    yield from _unequal(_filled(case.response, again), again)


def response_unfold(case: Case) -> Iterator[str]:
    """fold(unfold(r)) == r, and the events in between obey the grammar."""
    events = list(ir.unfold(case.response))
    check_grammar(events)
    yield from _unequal(case.response, ir.fold(events))


def response_stream(case: Case) -> Iterator[str]:
    """The answer stays the same when it is streamed to a client. An unfinished answer is not tested."""
    if case.response.status in _UNFINISHED:
        return
    face = case.dialect
    reply = case.reply(face, Report(face.name, "response"))
    events = streamed(list(ir.unfold(case.response)), face, reply)
    check_grammar(events)
    yield from _same_answer(case, case.response, ir.fold(events))


_UNFINISHED = frozenset({"queued", "in_progress"})
"""Statuses of a background answer that is not finished yet."""


def response_cross(case: Case) -> Iterator[str]:
    """A client of every other dialect gets each fact, or its loss is reported."""
    for other in case.others:
        report = Report(other.name, "response")
        body = _plain(other.response.encode(case.response, case.reply(other, report)))
        again = other.response.decode(body, STANDARD)
        lost = facts.missing(facts.of_response(case.response), facts.of_response(again), report)
        yield from (f"to {other.name}: lost in silence: {fact}" for fact in lost)


def response_relay(case: Case) -> Iterator[str]:
    """Relay passes the answer unchanged, and reads the same usage as the decoder."""
    body = msgspec.json.encode(case.answer)
    relayed, usage = case.dialect.relay.response(
        body, case.reply(case.dialect, Report(case.dialect.name, "response"))
    )
    yield from _same_bytes(
        {key: bytes(value) for key, value in json.decode_head(body).items()}, json.decode_head(relayed)
    )
    yield from _unequal(case.dialect.response.decode(copy_of(case.answer), STANDARD).usage, usage)


# --- Streams -----------------------------------------------------------------------------------


def stream_split(case: Case) -> Iterator[str]:
    """Any byte split gives the same frames: byte by byte, and in seeded random chunks."""
    response = case.exchange.response
    if response is None or response.stream is None:
        return
    stream, framing = response.stream.encode(), case.dialect.stream.framing
    if split(*(stream[i : i + 1] for i in range(len(stream))), framing=framing) != case.frames:
        yield "other frames when fed byte by byte"
    for number in range(3):
        seed = f"{case.exchange.id}-{number}"
        if split(*cuts(stream, seed), framing=framing) != case.frames:
            yield f"other frames when cut with the seed {seed}"


def stream_grammar(case: Case) -> Iterator[str]:
    """The decoder's events obey the grammar and have an end."""
    check_grammar(case.events)
    yield from ()


def stream_unfold(case: Case) -> Iterator[str]:
    """The answer that the stream folds to can be streamed again."""
    response = ir.fold(case.events)
    if response.error is None:
        yield from _unequal(response, ir.fold(ir.unfold(response)))


def stream_identity(case: Case) -> Iterator[str]:
    """Events, encoded for a client and decoded again, fold to the same answer."""
    reply = case.reply(case.dialect, Report(case.dialect.name, "response"))
    events = streamed(case.events, case.dialect, reply)
    check_grammar(events)
    yield from _same_answer(case, ir.fold(case.events), ir.fold(events))


def stream_cross(case: Case) -> Iterator[str]:
    """A client of every other dialect gets each fact from its stream, or the loss is reported.

    A broken stream is not tested for usage, because in most dialects nothing follows an error. A stream that
    breaks before any content is tested for its error alone: there is no answer whose id and model would
    matter.
    """
    response = ir.fold(case.events)
    told = facts.of_response(response)
    if response.error is not None:
        spoke = any(candidate.blocks for candidate in response.candidates)
        told = [
            fact
            for fact in told
            if fact.kind == "error" or (spoke and fact.path.partition(".")[0] != "usage")
        ]
    for other in case.others:
        report = Report(other.name, "response")
        events = streamed(case.events, other, case.reply(other, report))
        check_grammar(events)
        lost = facts.missing(told, facts.of_response(ir.fold(events)), report)
        yield from (f"to {other.name}: lost in silence: {fact}" for fact in lost)


def stream_relay(case: Case) -> Iterator[str]:
    """Relay passes every frame, reads the same usage, notices the end, and raises for a streamed error."""
    relay = case.dialect.relay.stream(case.reply(case.dialect, Report(case.dialect.name, "response")))
    decoder = case.dialect.stream.decoder(STANDARD)
    told = [event for frame in case.frames for event in decoder.feed(frame)]
    folded = ir.Fold()
    for event in (*told, *decoder.close()):
        folded.add(event)
    try:
        relayed = split(*map(relay.feed, case.frames), relay.close(), framing=case.dialect.stream.framing)
    except RequestFailed as failed:
        yield from _same_fault(folded.fault, failed.fault)
        return
    if any(isinstance(event, ir.Error) for event in told):
        yield "an error went by unseen"
    elif relay.done != (folded.fault is None):
        yield f"the end is {'seen' if relay.done else 'not seen'}, the fault is {folded.fault!r}"
    wanted, terminator = case.frames, case.canon.terminator
    if relay.done and terminator is not None and terminator not in wanted:
        wanted = [*wanted, terminator]  # clients wait for it, so relay adds it if the vendor forgets it
    for number, (before, after) in enumerate(zip_longest(wanted, relayed)):
        if before is None or after is None or differences(_parsed(before), _parsed(after), CanonicalForm()):
            yield f"frame {number} of {len(wanted)}: {before!r} became {after!r}"
            break
    yield from _unequal(folded.usage, relay.usage)


def stream_cut(case: Case) -> Iterator[str]:
    """A stream that ends early is a whole answer neither for the decoder nor for the relay."""
    frames = case.frames
    lengths = {0, 1, 2, len(frames) // 3, len(frames) * 2 // 3, *range(len(frames) - 5, len(frames))}
    for length in sorted(length for length in lengths if 0 <= length < len(frames)):
        response = ir.fold(events_of(case.dialect.stream.decoder(STANDARD), frames[:length]))
        relay = case.dialect.relay.stream(case.reply(case.dialect, Report(case.dialect.name, "response")))
        where = f"after {length} of {len(frames)} frames"
        try:
            for frame in frames[:length]:
                relay.feed(frame)
            relay.close()
            whole = relay.done
            if response.error is not None and response.error.code == "stream_broken":
                yield f"{where} nobody is told that it is broken"
        except RequestFailed:
            whole = False
        if whole is not (response.error is None):
            yield f"{where} it is {'whole' if whole else 'broken'} for the relay, not for the decoder"
        elif whole and not (
            response.candidates and all(candidate.stop is not None for candidate in response.candidates)
        ):
            yield f"{where} it is whole, though nobody has said why it stopped"


# --- Errors ------------------------------------------------------------------------------------


def error_faces(case: Case) -> Iterator[str]:
    """Every face renders the fault with status and message, and decodes its own rendering as the same."""
    for face in (case.dialect, *case.others):
        yield from (f"in {face.name}: {what}" for what in rendered(case.fault, face))


def rendered(fault: ir.Fault, face: Dialect) -> Iterator[str]:
    """What is wrong with `face`'s rendering of a fault, one sentence each; nothing if it is right."""
    status, headers, body = face.errors.encode(fault, "request-1")
    if not 400 <= status <= 599:
        yield f"status {status}"
    yield from _same_fault(fault, face.errors.decode(status, headers, body))


# --- Odd forms ---------------------------------------------------------------------------------


def request_mutants(case: Case) -> Iterator[str]:
    """An odd request is refused with its place, or each dialect encodes it or refuses it."""
    if not case.accepted:
        return
    for mutant in mutants(case.body, f"request {case.exchange.id}", case.mutants):
        odd = case.asking(mutant.value)
        yield from _tried(case, mutant, odd, _asked)


def _asked(odd: Case) -> Iterator[str]:
    wire = odd.wire_request
    wire.body.setdefault("model", odd.exchange.model or "model")
    odd.dialect.request.check(wire)
    odd.dialect.request.brief(odd.wire_request)
    yield from _unsound(odd.request)
    for dialect in (odd.dialect, *odd.others):
        try:
            json.encode(dialect.request.encode(odd.request, Target(Report(dialect.name), model="model")).body)
        except WireError as error:
            if not error.path:
                yield f"to {dialect.name}: refused without naming a place: {error}"


def response_mutants(case: Case) -> Iterator[str]:
    """An odd answer is refused with a message, or its content is carried or reported as lost."""
    for mutant in mutants(case.answer, f"response {case.exchange.id}", case.mutants):
        odd = case.answering(mutant.value)
        yield from _tried(case, mutant, odd, _relayed)
        yield from _tried(case, mutant, odd, _answered)


def _relayed(odd: Case) -> Iterator[str]:
    reply = odd.reply(odd.dialect, Report(odd.dialect.name, "response"))
    odd.dialect.relay.response(msgspec.json.encode(odd.answer), reply)
    yield from ()


def _answered(odd: Case) -> Iterator[str]:
    yield from _unsound(odd.response)
    yield from response_unfold(odd)
    yield from _told(odd, odd.response)


def stream_mutants(case: Case) -> Iterator[str]:
    """An odd stream ends with an error, or its content is carried or reported as lost."""
    for mutant in odd_streams(case.frames, f"stream {case.exchange.id}", case.mutants):
        odd = case.streaming(mutant.value)
        yield from _tried(case, mutant, odd, _stream_relayed)
        yield from _tried(case, mutant, odd, _streamed)


def _stream_relayed(odd: Case) -> Iterator[str]:
    relay = odd.dialect.relay.stream(odd.reply(odd.dialect, Report(odd.dialect.name, "response")))
    for frame in odd.frames:
        relay.feed(frame)
    relay.close()
    assert relay.usage is None or relay.usage.total >= 0
    yield from ()


def _streamed(odd: Case) -> Iterator[str]:
    for event in odd.events:
        yield from _unsound(event)
    check_grammar(odd.events)
    response = ir.fold(odd.events)
    for face in (odd.dialect, *odd.others):
        check_grammar(streamed(odd.events, face, odd.reply(face, Report(face.name, "response"))))
    if response.error is None:
        yield from _told(odd, response)


def error_mutants(case: Case) -> Iterator[str]:
    """Every face renders an odd error as an error."""
    response = case.exchange.response
    assert response is not None
    if response.status < 400 or type(response.body) is not dict:
        return
    for mutant in mutants(response.body, f"error {case.exchange.id}", case.mutants):
        yield from _tried(case, mutant, case.answering(mutant.value), _failed)


def _failed(odd: Case) -> Iterator[str]:
    yield from _unsound(odd.fault)
    for face in (odd.dialect, *odd.others):
        face.errors.encode(odd.fault, "request-1")


def _tried(case: Case, mutant: Mutant, odd: Case, look: Callable[[Case], Iterator[str]]) -> Iterator[str]:
    """The violations that `look` finds in an odd form.

    A refusal must have a message; any exception but WireError and RequestFailed is a violation.
    """
    case.tried += 1
    try:
        found = list(look(odd))
    except (WireError, RequestFailed) as refused:
        case.refused += 1
        found = [] if str(refused) else ["refused without a word"]
    except Exception as error:  # noqa: BLE001 - the law reports any exception of a codec
        found = [crash(error)]
    yield from (f"{mutant.name}: {what}" for what in found)


def _unsound(value: Any) -> Iterator[str]:
    """One sentence if a field of an IR value has not the type that its class states."""
    try:
        msgspec.convert(msgspec.to_builtins(value), type(value))
    except msgspec.ValidationError as error:
        yield f"a {type(value).__name__} of other types: {error}"


def _told(odd: Case, response: ir.Response) -> Iterator[str]:
    """One sentence for each fact of an answer that clients lose although no report names it as lost."""
    for face in (odd.dialect, *odd.others):
        report = Report(face.name, "response")
        body = _plain(face.response.encode(response, odd.reply(face, report)))
        again = face.response.decode(body, STANDARD)
        lost = facts.missing(facts.of_response(response), facts.of_response(again), report)
        yield from (f"to {face.name}: lost in silence: {fact}" for fact in lost)


# --- The table of laws ---------------------------------------------------------------------------

LAWS: dict[str, Callable[[Case], Iterator[str]]] = {
    "request.check": request_check,
    "request.identity": request_identity,
    "request.ir": request_ir,
    "request.maps": request_maps,
    "request.brief": request_brief,
    "request.cross": request_cross,
    "request.quirks": request_quirks,
    "request.relay": request_relay,
    "response.identity": response_identity,
    "response.ir": response_ir,
    "response.unfold": response_unfold,
    "response.stream": response_stream,
    "response.cross": response_cross,
    "response.relay": response_relay,
    "stream.split": stream_split,
    "stream.grammar": stream_grammar,
    "stream.unfold": stream_unfold,
    "stream.identity": stream_identity,
    "stream.cross": stream_cross,
    "stream.relay": stream_relay,
    "stream.cut": stream_cut,
    "error.faces": error_faces,
    "request.mutants": request_mutants,
    "response.mutants": response_mutants,
    "stream.mutants": stream_mutants,
    "error.mutants": error_mutants,
}
"""The laws by name; the part before the dot is the subject. A law yields a sentence for each violation."""


class Broken(msgspec.Struct, frozen=True):
    """A law that an exchange violates, and how."""

    law: str
    api: str
    id: str
    how: tuple[str, ...]


def hold(case: Case, laws: Sequence[str] = tuple(LAWS)) -> Iterator[Broken]:
    """The laws, among the named ones, that this exchange violates. A crash is a violation."""
    for law in laws:
        if law.partition(".")[0] not in case.subjects:
            continue
        try:
            how = tuple(LAWS[law](case))
        except Exception as error:  # noqa: BLE001 - the law reports any exception of a codec
            how = (crash(error),)
        if how:
            yield Broken(law, case.exchange.api, case.exchange.id, how)


def crash(error: Exception) -> str:
    """The exception and its place, as a sentence."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name}, line {place.lineno}: {error}"


def leftovers(value: Any) -> Counter[str]:
    """How often each unknown key occurs in an IR value, by the struct that holds it."""
    found: Counter[str] = Counter()
    if isinstance(value, msgspec.Struct):
        for keys in (getattr(value, "extra", None) or {}).values():
            found.update(f"{type(value).__name__}.{key}" for key in keys)
        for field in value.__struct_fields__:
            if field != "extra":
                found += leftovers(getattr(value, field))
    elif isinstance(value, tuple):
        for inner in value:
            found += leftovers(inner)
    return found


# --- Comparing ---------------------------------------------------------------------------------


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """A body after it was encoded to bytes and decoded again."""
    return json.decode_object(json.encode(body))


def _parsed(frame: bytes) -> Any:
    try:
        return msgspec.json.decode(frame)
    except msgspec.DecodeError:
        return frame.decode()


def _unequal(before: Any, after: Any) -> Iterator[str]:
    """The differences between two IR values, by field."""
    if before == after:
        return
    found = differences(msgspec.to_builtins(before), msgspec.to_builtins(after), CanonicalForm())
    yield from map(str, found)
    if not found:  # the blocks have different classes with the same fields, or one value is null
        yield f"{before!r} became {after!r}"


def _same_answer(case: Case, before: ir.Response, after: ir.Response) -> Iterator[str]:
    """The differences between two answers for a client; of a broken one, the fault and the content."""
    reply = case.reply(case.dialect, Report(case.dialect.name, "response"))
    if before.error is not None or after.error is not None:
        yield from _same_fault(before.error, after.error)
        before, after = (msgspec.structs.replace(answer, error=None) for answer in (before, after))
    old, new = (_plain(case.dialect.response.encode(answer, reply)) for answer in (before, after))
    yield from map(str, differences(old, new, case.canon.streamed or case.canon.response))


def _same_fault(before: ir.Fault | None, after: ir.Fault | None) -> Iterator[str]:
    """The differences between two faults. Type and code may differ, because each dialect has its own."""
    for field in ("kind", "message"):
        old, new = getattr(before, field, None), getattr(after, field, None)
        if old != new:
            yield f"{field}: {old!r} became {new!r}"


def _filled(response: ir.Response, by: ir.Response) -> ir.Response:
    """The answer with id, model and date taken from `by` where it has none: the gateway fills these in."""
    return msgspec.structs.replace(
        response,
        id=response.id or by.id,
        model=response.model or by.model,
        created=response.created or by.created,
    )


def _same_bytes(wanted: Mapping[str, bytes], got: Mapping[str, msgspec.Raw]) -> Iterator[str]:
    for key in {**wanted, **got}:
        before, after = wanted.get(key), bytes(got[key]) if key in got else None
        if before != after:
            yield f"{key}: {before!r} became {after!r}"


def _has(body: Any, path: str) -> bool:
    """Whether a JSON path (`messages[0].content`, with or without `$.`) exists in the body."""
    value = body
    for step in path.removeprefix("$").removeprefix(".").replace("[", ".[").split("."):
        if type(value) is list and step.startswith("[") and int(step[1:-1]) < len(value):
            value = value[int(step[1:-1])]
        elif type(value) is dict and step in value:
            value = value[step]
        else:
            return False
    return True

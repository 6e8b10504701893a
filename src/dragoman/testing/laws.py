"""The laws for every codec, as functions over one recorded exchange. The docstring of a law says what must
hold.

A law yields a sentence for each violation; an exception of a codec is a violation, too. A law is never
loosened for one codec: `canonical` states the permitted differences with their reasons, and a file of
exceptions names the recordings that are wrong (`ledger`).

A fact is one statement of a request or an answer (`facts`). An odd form is a recorded body or stream with one
or two random changes (`mutations`). An accepted request has an answer with a status below 400, or none.
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
from dragoman.testing.tagged import apart
from dragoman.wire import json


def request_check(case: Case) -> Iterator[str]:
    """The law: the dialect's check, widened by what the vendor's servers accept (`Case.widens`), refuses no
    accepted request. Yields nothing; raises WireError if the law is violated.
    """
    if case.accepted:
        case.dialect.check_widely(case.named_request, case.widens)
    yield from ()


def request_identity(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the request, decoded and encoded again, is the same up to the
    canonical form, and no loss is reported.
    """
    report = Report(case.dialect.name)
    wire = case.dialect.request.encode(case.request, Target(report))
    yield from map(str, differences(case.body, _plain(wire.body), case.canon.request))
    yield from (f"names a loss to itself: {loss.path}: {loss.reason}" for loss in report.losses)


def request_ir(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the request's IR, encoded and decoded again, is the same. Members
    that the encoder may add (`CanonicalForm.may_add`) and the client did not send are left out in between.
    """
    wire = case.dialect.request.encode(case.request, Target(Report(case.dialect.name)))
    owed = case.canon.request.may_add - case.body.keys()  # the encoder added these, not the client
    body = {key: value for key, value in _plain(wire.body).items() if key not in owed}
    yield from _unequal(case.request, case.dialect.request.decode(_arrived(wire, body)))


def request_maps(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the request's `extra` has no key that the IR has a field for, and
    only keys of the request's own dialect.
    """
    for dialect, keys in (case.request.extra or {}).items():
        yield from (
            f"{key} is mapped, yet it is in extra" for key in keys.keys() & case.dialect.request.members
        )
        if dialect != case.dialect.name:
            yield f"leftovers under another dialect's name: {dialect}"


def request_brief(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the decoder that reads only a few fields of a request
    (`request.brief`) reads the same model, stream and stream_usage as the full decoder.
    """
    brief = case.dialect.request.brief(case.wire_request)
    for field in ("model", "stream", "stream_usage"):
        short, whole = getattr(brief, field), getattr(case.request, field)
        if short != whole:
            yield f"{field}: {short!r} in brief, {whole!r} in whole"


def request_cross(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the translation of the request into any other dialect is accepted by
    that dialect's check (else WireError is raised), and contains each fact of the request or reports it as
    lost, with its place in the client's body or headers; or the translation is refused with an error that
    names the place.

    A request that the author of its own protocol refuses is not tested.
    """
    for other in case.others:
        yield from _carried(case, other, other.name, STANDARD)


def request_quirks(case: Case) -> Iterator[str]:
    """Yield each violation of this law: encoded in any dialect, also its own, with the quirks of any vendor
    that deviates from this dialect (`QUIRKS`), the request keeps each of its facts, or reports its loss with
    its place, or is refused with an error that names the place.
    """
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
        dialect.request.check(_arrived(wire, copy_of(body)))
    again = dialect.request.decode(_arrived(wire, body))
    said = case.facts
    if quirks.reasoning_field == "tags":  # a client may have written the tags itself
        said, again = facts.of_request(apart(case.request)), apart(again)
    lost = facts.missing(said, facts.of_request(again), report)
    yield from (f"to {to}: lost in silence: {fact}" for fact in lost)
    locate = case.dialect.locator(case.wire_request) if report.losses else str
    for loss in report.losses:
        place = locate(loss.path)
        in_header = place.removeprefix("$.").partition(".")[0] in case.wire_request.headers
        if not (in_header or _has(case.body, place)):
            yield f"to {to}: the loss {loss.path} is located at {place}, which is not in the body"


def request_relay(case: Case) -> Iterator[str]:
    """Yield each violation of this law: relay changes or removes only those top-level members of the request
    for which it gets an edit. If the dialect has the model's name in the URL, relay removes `model`.
    """
    head = json.decode_head(msgspec.json.encode(case.body))
    edits = {"model": "renamed", "gone": msgspec.UNSET}
    relayed = json.decode_head(case.dialect.relay.request({**head, "gone": msgspec.Raw(b"1")}, edits))
    wanted = {key: bytes(value) for key, value in head.items()}
    if "{model}" not in case.dialect.paths.chat:
        wanted["model"] = b'"renamed"'
    else:
        wanted.pop("model", None)  # some of Google's clients write it into URL and body
    yield from _same_bytes(wanted, relayed)


def response_identity(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the answer, decoded and encoded again, is the same up to the
    canonical form, and no loss is reported.
    """
    report = Report(case.dialect.name, "response")
    body = case.dialect.response.encode(case.response, case.reply(case.dialect, report))
    yield from map(str, differences(case.answer, _plain(body), case.canon.response))
    yield from (f"names a loss to itself: {loss.path}: {loss.reason}" for loss in report.losses)


def response_ir(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the answer's IR, encoded and decoded again, is the same, except that
    the gateway fills in `id`, `model` and `created` where they are missing.
    """
    body = case.dialect.response.encode(case.response, case.reply(case.dialect))
    again = case.dialect.response.decode(_plain(body), STANDARD)
    yield from _unequal(_filled(case.response, again), again)


def response_unfold(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the answer, unfolded into events and folded again, is the same, and
    the events obey the grammar (else GrammarError is raised).
    """
    events = list(ir.unfold(case.response))
    check_grammar(events)
    yield from _unequal(case.response, ir.fold(events))


def response_stream(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the answer stays the same, up to the canonical form, if it is
    streamed to a client. An answer that is not finished is not tested.
    """
    if case.response.status in _UNFINISHED:
        return
    events = streamed(list(ir.unfold(case.response)), case.dialect, case.reply(case.dialect))
    check_grammar(events)
    yield from _same_answer(case, case.response, ir.fold(events))


_UNFINISHED = frozenset({"queued", "in_progress"})
"""Statuses of a background answer that is not finished yet."""


def response_cross(case: Case) -> Iterator[str]:
    """Yield each violation of this law: a client of every other dialect gets each fact of the answer, or the
    loss of the fact is reported.
    """
    yield from _told(case, case.response, case.others)


def response_relay(case: Case) -> Iterator[str]:
    """Yield each violation of this law: relay passes each top-level member of the answer on, byte for byte,
    and reads the same usage as the decoder.
    """
    body = msgspec.json.encode(case.answer)
    relayed, usage = case.dialect.relay.response(body, case.reply(case.dialect))
    yield from _same_bytes(
        {key: bytes(value) for key, value in json.decode_head(body).items()}, json.decode_head(relayed)
    )
    yield from _unequal(case.dialect.response.decode(copy_of(case.answer), STANDARD).usage, usage)


def stream_split(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the stream gives the same frames if it arrives byte by byte, and if
    it is cut at random in three ways. A stream that was recorded as JSON values is not tested.
    """
    response = case.exchange.response
    if response is None or response.stream is None:
        return
    stream, framing = response.stream, case.dialect.stream.framing
    if split(*(stream[i : i + 1] for i in range(len(stream))), framing=framing) != case.frames:
        yield "other frames when fed byte by byte"
    for number in range(3):
        seed = f"{case.exchange.id}-{number}"
        if split(*cuts(stream, seed), framing=framing) != case.frames:
            yield f"other frames when cut with the seed {seed}"


def stream_grammar(case: Case) -> Iterator[str]:
    """The law: the decoder's events obey the grammar and have an end. Yields nothing; raises GrammarError if
    the law is violated.
    """
    check_grammar(case.events)
    yield from ()


def stream_unfold(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the answer that the stream's events fold to is the same after it is
    unfolded and folded again. A stream with an error is not tested.
    """
    response = ir.fold(case.events)
    if response.error is None:
        yield from _unequal(response, ir.fold(ir.unfold(response)))


def stream_identity(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the stream's events, encoded for a client of the same dialect and
    decoded again, fold to the same answer, up to the canonical form (and other fields of an error).
    """
    events = streamed(case.events, case.dialect, case.reply(case.dialect))
    check_grammar(events)
    yield from _same_answer(case, ir.fold(case.events), ir.fold(events))


def stream_cross(case: Case) -> Iterator[str]:
    """Yield each violation of this law: a client of every other dialect gets each fact from its stream, or
    the loss of the fact is reported.

    A stream with an error is not tested for usage, because in most dialects nothing follows an error. If it
    has no content before the error, it is tested only for the error.
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
    """Yield each violation of this law: relay passes every frame of the stream on with the same JSON (a
    missing terminator may be added, and a repeated event of `Canon.once` is left out), reads the same usage
    as the decoder, and notices the end. If the stream reports an error, relay raises RequestFailed with the
    kind and message that the decoder reads.
    """
    relay = case.dialect.relay.stream(case.reply(case.dialect))
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
    wanted, terminator = _without_repeats(case.frames, case.canon.once), case.canon.terminator
    if relay.done and terminator is not None and terminator not in wanted:
        wanted = [*wanted, terminator]  # clients wait for it, so relay adds it if the vendor forgets it
    for number, (before, after) in enumerate(zip_longest(wanted, relayed)):
        if before is None or after is None or differences(_parsed(before), _parsed(after), CanonicalForm()):
            yield f"frame {number} of {len(wanted)}: {before!r} became {after!r}"
            break
    yield from _unequal(folded.usage, relay.usage)


def stream_cut(case: Case) -> Iterator[str]:
    """Yield each violation of this law: decoder and relay agree whether a stream that was cut off after some
    of its frames is still a complete answer. If it is, each candidate has a stop reason. If the decoder says
    that the stream is broken (code "stream_broken"), relay raises RequestFailed.
    """
    frames = case.frames
    lengths = {0, 1, 2, len(frames) // 3, len(frames) * 2 // 3, *range(len(frames) - 5, len(frames))}
    for length in sorted(length for length in lengths if 0 <= length < len(frames)):
        response = ir.fold(events_of(case.dialect.stream.decoder(STANDARD), frames[:length]))
        relay = case.dialect.relay.stream(case.reply(case.dialect))
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


def error_faces(case: Case) -> Iterator[str]:
    """Yield each violation of this law: every dialect writes the recorded error with an error status, and
    reads the same kind and message from what it has written.
    """
    for face in (case.dialect, *case.others):
        yield from (f"in {face.name}: {what}" for what in rendered(case.fault, face))


def rendered(fault: ir.Fault, face: Dialect) -> Iterator[str]:
    """Yield a sentence for each mistake in a dialect's rendering of a fault: a status that is not an error's,
    or another kind or message when the rendering is decoded.
    """
    status, headers, body = face.errors.encode(fault, "request-1")
    if not 400 <= status <= 599:
        yield f"status {status}"
    yield from _same_fault(fault, face.errors.decode(status, headers, body))


def request_mutants(case: Case) -> Iterator[str]:
    """Yield each violation of this law: the check refuses an odd form of an accepted request with a message;
    or the dialect reads it into the IR's types, and each dialect encodes it or refuses it, naming the place.
    """
    if not case.accepted:
        return
    for mutant in mutants(case.body, f"request {case.exchange.id}", case.mutants):
        yield from _tried(case, mutant, case.asking(mutant.value), _asked)


def _asked(odd: Case) -> Iterator[str]:
    odd.dialect.request.check(odd.named_request)
    try:
        odd.dialect.request.brief(odd.wire_request)
        request = odd.request
    except WireError as error:
        yield f"accepted by the check, yet it cannot be read: {error.path}: {error}"
        return
    yield from _unsound(request)
    for dialect in (odd.dialect, *odd.others):
        try:
            json.encode(dialect.request.encode(odd.request, Target(Report(dialect.name), model="model")).body)
        except WireError as error:
            if not error.path:
                yield f"to {dialect.name}: refused without naming a place: {error}"


def response_mutants(case: Case) -> Iterator[str]:
    """Yield each violation of this law: relay and the decoder each accept an odd form of the answer, or
    refuse it with a message. What the decoder returns has the IR's types, obeys the law `response_unfold`,
    and each of its facts is carried into every dialect or reported as lost.
    """
    for mutant in mutants(case.answer, f"response {case.exchange.id}", case.mutants):
        odd = case.answering(mutant.value)
        yield from _tried(case, mutant, odd, _relayed)
        yield from _tried(case, mutant, odd, _answered)


def _relayed(odd: Case) -> Iterator[str]:
    odd.dialect.relay.response(msgspec.json.encode(odd.answer), odd.reply(odd.dialect))
    yield from ()


def _answered(odd: Case) -> Iterator[str]:
    yield from _unsound(odd.response)
    yield from response_unfold(odd)
    yield from _told(odd, odd.response, (odd.dialect, *odd.others))


def stream_mutants(case: Case) -> Iterator[str]:
    """Yield each violation of this law: relay and the decoder each accept an odd form of the stream, or
    refuse it with a message. The decoder's events have the IR's types and obey the grammar, also translated
    into every dialect, and, unless there is an error, each fact is carried or reported as lost.
    """
    for mutant in odd_streams(case.frames, f"stream {case.exchange.id}", case.mutants):
        odd = case.streaming(mutant.value)
        yield from _tried(case, mutant, odd, _stream_relayed)
        yield from _tried(case, mutant, odd, _streamed)


def _stream_relayed(odd: Case) -> Iterator[str]:
    relay = odd.dialect.relay.stream(odd.reply(odd.dialect))
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
        check_grammar(streamed(odd.events, face, odd.reply(face)))
    if response.error is None:
        yield from _told(odd, response, (odd.dialect, *odd.others))


def error_mutants(case: Case) -> Iterator[str]:
    """Yield each violation of this law: every dialect can write an odd form of the recorded error, or the odd
    form is refused with a message. An error with a success status, or without a JSON object, is not tested.
    """
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
    """Yield the violations that `look` finds in the case `odd`, whose request or answer is `mutant`. Adds 1
    to `case.tried`, and to `case.refused` if `look` raises WireError or RequestFailed. Such an error without
    a message, and any other exception, is a violation.
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
    """Yield a sentence about the first field of an IR value without the type that its class states."""
    try:
        msgspec.convert(msgspec.to_builtins(value), type(value))
    except msgspec.ValidationError as error:
        yield f"a {type(value).__name__} of other types: {error}"


def _told(case: Case, response: ir.Response, faces: Sequence[Dialect]) -> Iterator[str]:
    """Yield a sentence for each fact of an answer that a client of one of `faces` loses without a report of
    the loss.
    """
    told = facts.of_response(response)
    for face in faces:
        report = Report(face.name, "response")
        body = _plain(face.response.encode(response, case.reply(face, report)))
        again = face.response.decode(body, STANDARD)
        lost = facts.missing(told, facts.of_response(again), report)
        yield from (f"to {face.name}: lost in silence: {fact}" for fact in lost)


LAWS: dict[str, Callable[[Case], Iterator[str]]] = {
    law.__name__.replace("_", "."): law
    for law in (
        *(request_check, request_identity, request_ir, request_maps, request_brief, request_cross),
        *(request_quirks, request_relay),
        *(response_identity, response_ir, response_unfold, response_stream, response_cross, response_relay),
        *(stream_split, stream_grammar, stream_unfold, stream_identity, stream_cross, stream_relay),
        *(stream_cut, error_faces),
        *(request_mutants, response_mutants, stream_mutants, error_mutants),
    )
}
"""The laws by name (`stream.cut`). The part before the dot is the subject."""


class Broken(msgspec.Struct, frozen=True):
    """A law that an exchange violates. law: its name (`stream.cut`). api, id: of the exchange. how: a
    sentence for each violation.
    """

    law: str
    api: str
    id: str
    how: tuple[str, ...]


def hold(case: Case, laws: Sequence[str] = tuple(LAWS)) -> Iterator[Broken]:
    """Yield those of the named laws that the exchange violates. Laws about a subject that the exchange does
    not have (a stream, an error) are skipped. An exception of a law is the only sentence in `Broken.how`.
    """
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
    """Return a sentence with the exception's class and text, and the function and line that raised it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.name}, line {place.lineno}: {error}"


def leftovers(value: Any) -> Counter[str]:
    """Return how often each unknown key (a key of `extra`) occurs in an IR value and in the structs and
    tuples inside it, as {"STRUCT.KEY": times}.
    """
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


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    return json.decode_object(json.encode(body))


def _arrived(wire: WireRequest, body: dict[str, Any]) -> WireRequest:
    """Return an encoded request in the form in which the dialect that receives it decodes it, but with `body`
    as its body.
    """
    return WireRequest("chat", body, wire.method, wire.path, wire.params, wire.query, wire.headers)


def _parsed(frame: bytes) -> Any:
    try:
        return msgspec.json.decode(frame)
    except json.UNDECODABLE:
        return frame.decode()


def _without_repeats(frames: Sequence[bytes], once: Mapping[str, str]) -> list[bytes]:
    """Return `frames` without the repeated events. once: {type of an event that is kept only once: type of
    the event after which it is kept again} (`Canon.once`).
    """
    kept: list[bytes] = []
    seen: set[str] = set()
    for frame in frames:
        value = _parsed(frame)
        kind = value.get("type") if isinstance(value, dict) else None
        if isinstance(kind, str):
            if kind in seen:
                continue
            seen = {one for one in seen if once[one] != kind} | ({kind} & once.keys())
        kept.append(frame)
    return kept


def _unequal(before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    found = differences(msgspec.to_builtins(before), msgspec.to_builtins(after), CanonicalForm())
    yield from map(str, found)
    if not found:  # the blocks have different classes with the same fields, or one value is null
        yield f"{before!r} became {after!r}"


def _same_answer(case: Case, before: ir.Response, after: ir.Response) -> Iterator[str]:
    """Yield a sentence for each difference between two answers as the bodies that a client gets, up to the
    canonical form of streamed answers. Of their errors, only kind and message are compared.
    """
    reply = case.reply(case.dialect)
    if before.error is not None or after.error is not None:
        yield from _same_fault(before.error, after.error)
        before, after = (msgspec.structs.replace(answer, error=None) for answer in (before, after))
    old, new = (_plain(case.dialect.response.encode(answer, reply)) for answer in (before, after))
    yield from map(str, differences(old, new, case.canon.streamed or case.canon.response))


def _same_fault(before: ir.Fault | None, after: ir.Fault | None) -> Iterator[str]:
    """Yield a sentence for each difference in kind or message between two faults. None = no fault. All other
    fields may differ.
    """
    for field in ("kind", "message"):
        old, new = getattr(before, field, None), getattr(after, field, None)
        if old != new:
            yield f"{field}: {old!r} became {new!r}"


def _filled(response: ir.Response, by: ir.Response) -> ir.Response:
    """Return the answer; each of `id`, `model` and `created` that it lacks is taken from `by`, because the
    gateway fills them in.
    """
    stated = {field: getattr(response, field) or getattr(by, field) for field in ("id", "model", "created")}
    return msgspec.structs.replace(response, **stated)


def _same_bytes(wanted: Mapping[str, bytes], got: Mapping[str, msgspec.Raw]) -> Iterator[str]:
    for key in {**wanted, **got}:
        before, after = wanted.get(key), bytes(got[key]) if key in got else None
        if before != after:
            yield f"{key}: {before!r} became {after!r}"


def _has(body: Any, path: str) -> bool:
    """Return whether a JSON path (`messages[0].content`, with or without `$.`) exists in the body. False for
    the path of the whole body (`$`), and for a key that contains "." or "[".
    """
    value = body
    for step in path.removeprefix("$").removeprefix(".").replace("[", ".[").split("."):
        if type(value) is list and step.startswith("[") and int(step[1:-1]) < len(value):
            value = value[int(step[1:-1])]
        elif type(value) is dict and step in value:
            value = value[step]
        else:
            return False
    return True

"""The checks of `dragoman test` for servers with another protocol than OpenAI's Chat Completions.

The gateway's own dialects encode the chat requests and decode their answers. A check returns a text about the
answers. It raises LeftOut if it is skipped, KeyRefused if the server refuses the API key (status 401), and
CheckFailed if an answer is wrong; as those of `cli.checks`, it may raise other errors for an odd answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

import aiohttp

from dragoman import ir
from dragoman.cli.checks import (
    LARGEST,
    QUESTION,
    TOKENS,
    TURNS,
    Answer,
    Check,
    CheckFailed,
    Choose,
    LeftOut,
    Probe,
    TooLarge,
    health,
    malformed_json,
    require,
    unknown_path,
)
from dragoman.cli.protocols import Spoken
from dragoman.cli.terminal import clean
from dragoman.dialects.access import ModelList
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.table import DEFAULT, DIALECTS
from dragoman.dialects.translation import translated
from dragoman.errors import RequestFailed, WireError
from dragoman.seams.clock import SYSTEM
from dragoman.upstreams.form import SPLITTERS


class NativeProbe(Probe):
    """A server under test with another protocol than Chat Completions. session: sends the requests. there:
    the server's protocol and base URL. model: the model to ask; None = it is not known, until the check of
    the model list finds one with `choose`. show: as in `Probe`.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        there: Spoken,
        model: str | None,
        show: Callable[[str], None],
        choose: Choose,
    ) -> None:
        super().__init__(session, there.base, model, show, choose)
        self.dialect = DIALECTS[there.dialect]
        self.checks = NATIVE_CHECKS

    @property
    def chat_url(self) -> str:
        """The URL of the chat endpoint for an answer that is not streamed. If no model is known, the URL has
        "no-model" where the protocol has the model in its URL.
        """
        return self.base + self.dialect.paths.chat.format_map({"model": self.model or "no-model"})

    def written(self, messages: Sequence[Any] = QUESTION, **fields: Any) -> tuple[str, dict[str, Any]]:
        """Return (URL, body) of a chat request in the server's protocol. messages, fields: the messages and
        the other fields of the request, in the form of Chat Completions. Raises LeftOut if no model is known.
        """
        if self.model is None:
            raise LeftOut("no model to ask; --model names one")
        question = {"model": self.model, "messages": messages, "max_completion_tokens": TOKENS, **fields}
        request = translated(question, DEFAULT, self.dialect, model=self.model)
        return self.base + request.path, request.body

    async def ask(self, messages: Sequence[Any] = QUESTION, **fields: Any) -> ir.Response:
        """Send a chat request, and return the decoded answer. messages, fields: in the form of Chat
        Completions. Raises LeftOut (no model), KeyRefused (401), CheckFailed for any other status than 200
        and for an answer that cannot be decoded, and the errors of `call`.
        """
        url, body = self.written(messages, **fields)
        answer = await self.call("POST", url, json=body)
        answer.expect(200)
        try:
            return self.dialect.response.decode(answer.body, STANDARD)
        except (WireError, RequestFailed) as error:
            raise CheckFailed(f"an answer that cannot be read: {error}") from None

    async def events(self) -> AsyncIterator[ir.Event]:
        """Send a streamed request, and yield the decoded events of the answer; an error within the stream is
        one of them (`ir.Error`). Raises the errors of `ask`.
        """
        url, body = self.written(stream=True)
        decoder = self.dialect.stream.decoder(STANDARD)
        splitter = SPLITTERS[self.dialect.stream.framing](LARGEST)
        async with self.post(url, body) as response:
            if response.status != 200:
                (await Answer.of(response)).expect(200)
            size = 0
            try:
                async for chunk in response.content.iter_any():
                    if (size := size + len(chunk)) > LARGEST:
                        raise TooLarge(f"the stream is larger than {LARGEST // 1_000_000} MB")
                    for frame in splitter.feed(chunk):
                        for event in decoder.feed(frame):
                            yield event
                for event in [
                    *(e for frame in splitter.close() for e in decoder.feed(frame)),
                    *decoder.close(),
                ]:
                    yield event
            except (WireError, RequestFailed) as error:
                raise CheckFailed(f"a stream that cannot be read: {error}") from None


async def model_list(probe: NativeProbe) -> str:
    """Check that the server has a model list, and that it is not empty. If no model is known yet, it also
    chooses one for the later checks (`Probe.chosen`). Skipped for the status 404 if the protocol does not
    define a list of its own.
    """
    form = probe.dialect.models
    answer = await probe.call("GET", probe.base + form.path)
    if answer.status == 404 and form == ModelList():
        raise LeftOut("no model list here")
    answer.expect(200)
    listed = answer.body[form.member]
    return probe.chosen([{**row, "id": str(row[form.name]).removeprefix("models/")} for row in listed])


async def whole_answer(probe: NativeProbe) -> str:
    """Check that an answer that is not streamed can be decoded."""
    return clean(text_of(await probe.ask()))


async def usage(probe: NativeProbe) -> str:
    """Check that the answer counts input tokens (with those of the cache) and output tokens (with reasoning),
    each above 0.
    """
    counts = (await probe.ask()).usage
    prompt = 0 if counts is None else sum(filter(None, (counts.input, counts.cache_read, counts.cache_write)))
    output = 0 if counts is None else sum(filter(None, (counts.output, counts.reasoning)))
    require(prompt > 0 and output > 0, f"{prompt} in, {output} out")
    return f"{prompt} in, {output} out"


async def several_turns(probe: NativeProbe) -> str:
    """Check that a system prompt and several turns are accepted."""
    return clean(text_of(await probe.ask(TURNS)))


async def stream(probe: NativeProbe) -> str:
    """Check that a stream can be decoded, has exactly one finish event, and has no error. Shows the text with
    `probe.show`.
    """
    began = SYSTEM.monotonic()
    first: float | None = None
    length = finishes = 0
    async for event in probe.events():
        if isinstance(event, ir.Error):
            raise CheckFailed(clean(event.fault.message))
        if isinstance(event, ir.TextDelta):
            first = SYSTEM.monotonic() - began if first is None else first
            length += len(event.text)
            probe.show(clean(event.text, lines=True))
        finishes += isinstance(event, ir.Finish)
    probe.show("\n")
    require(finishes == 1, f"{finishes} finishes")
    return f"{length} characters" + ("" if first is None else f", the first after {first * 1000:.0f} ms")


async def unknown_model(probe: NativeProbe) -> str:
    """Check that a request with an unknown model gets the status 404 and a JSON object with `error`. Skipped
    for the status 403, because the key may be limited to some models.
    """
    known, probe.model = probe.model, "no-such-model-here"
    try:
        url, body = probe.written()
    finally:
        probe.model = known
    answer = await probe.call("POST", url, json=body)
    if answer.status == 403:
        raise LeftOut(f"this key may not ask for every name: {answer.message}")
    answer.expect(404)
    require(isinstance(answer.body, dict) and "error" in answer.body, "the error is no JSON object")
    return answer.message


async def missing_question(probe: NativeProbe) -> str:
    """Check that a request without the field of the question (such as `messages`) gets the status 400 and an
    error that names the field. Skipped if the protocol allows requests without this field.
    """
    stated = probe.dialect.probe
    if stated is None or not (member := stated.question):
        raise LeftOut(f"{probe.dialect.title} loads a model that is asked nothing")
    url, body = probe.written()
    answer = await probe.call("POST", url, json={name: body[name] for name in body if name != member})
    answer.expect(400)
    require(member in answer.message, answer.message)
    return answer.message


NATIVE_CHECKS: Final[Mapping[str, Check]] = {
    "health": health,
    "model list": model_list,
    "whole answer": whole_answer,
    "usage": usage,
    "several turns": several_turns,
    "stream": stream,
    "unknown model": unknown_model,
    "missing question": missing_question,
    "malformed JSON": malformed_json,
    "unknown path": unknown_path,
}
"""The checks for each protocol except Chat Completions, in the order in which they run."""


def text_of(answer: ir.Response) -> str:
    """Return the text of all candidates of an answer, joined without separators; "" if they have none."""
    blocks = [block for candidate in answer.candidates for block in candidate.blocks]
    return "".join(block.text for block in blocks if isinstance(block, ir.Text))

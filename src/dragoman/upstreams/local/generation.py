"""The work of a chat model for one request: makes the prompt, counts its tokens, turns the tokens of the
answer into text, and decides when and why the answer ends. Does not depend on processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dragoman.upstreams.local.engine import EngineRefused, Model, Token
from dragoman.upstreams.local.holdback import Holdback
from dragoman.upstreams.local.prompts import alternating, plain, structured
from dragoman.upstreams.local.protocol import (
    Count,
    Counted,
    Delta,
    Done,
    Finish,
    Generate,
    Started,
    Timings,
    TokenProb,
)


def render(model: Model, request: Generate | Count) -> str:
    """Return the prompt text for a request. If the conversation ends with an assistant's message without
    calls, the text of this message is the end of the prompt, so that the model continues it.

    If the model's chat template rejects the conversation, the template gets the messages again in another
    form: system messages as user messages, and adjacent messages of the same role joined
    (`prompts.alternating`). Raises EngineRefused("invalid") if the template rejects both forms.
    """
    turns, begun = request.turns, ""
    if turns and turns[-1].role == "assistant" and not turns[-1].calls:
        turns, begun = turns[:-1], turns[-1].text
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    if model.takes_tools:
        messages, tools = structured(turns, request.tools)
    else:
        messages = plain(turns, request.tools)
    try:
        return model.render(messages, tools) + begun
    except EngineRefused:
        other = alternating(messages)
        if other == messages:
            raise
        return model.render(other, tools) + begun


def count(model: Model, request: Count) -> Counted:
    """Return the message with the number of tokens in the prompt for this conversation. Raises
    EngineRefused("invalid") if the model's chat template rejects the conversation.
    """
    return Counted(request.id, len(model.tokenize(render(model, request))))


def generate(
    model: Model,
    request: Generate,
    cancelled: Callable[[], bool],
    clock: Callable[[], float],
    timings: Timings = Timings(),  # noqa: B008 - frozen
) -> Iterator[Started | Delta | Done]:
    """Answer a request: yield a Started, a Delta for each piece of text, and a Done. If `cancelled` returns
    True, end without a Done. Raises EngineRefused before the Started: "invalid" if the chat template rejects
    the conversation, "context_length" if the prompt fills the context.

    clock: returns seconds. timings: the seconds that waiting and loading took before this call; they become
    part of the `Done`.
    """
    began = clock()
    prompt = model.tokenize(render(model, request))
    room = model.context - len(prompt)
    if room < 1:
        window = f"but the model's context window is {model.context} tokens"
        raise EngineRefused("context_length", f"this prompt has {len(prompt)} tokens, {window}")
    limit = room if request.limit is None else min(room, request.limit)
    yield Started(request.id, len(prompt))
    text, count, first = _Text(request), 0, 0.0
    finish: Finish = "stop"
    for token in model.generate(prompt, request.draw, request.grammar, cancelled):
        first = first or clock()
        count += 1
        if (delta := text.add(token)) is not None:
            yield delta
        if text.sequence is not None:
            finish = "sequence"
            break
        if count >= limit:
            finish = "length" if limit == request.limit else "context"
            break
    if cancelled():
        return
    if (delta := text.rest()) is not None:
        yield delta
    ended = clock()
    first = first or ended
    yield Done(
        request.id,
        finish,
        count,
        text.sequence,
        Timings(timings.queued, timings.load, prompt=first - began, answer=ended - first),
    )


class _Text:
    """The text of one answer, made from its tokens. The log probability of a token is in the `Delta` that
    completes the token's text.
    """

    def __init__(self, request: Generate) -> None:
        self._id = request.id
        self._holdback = Holdback(request.stop)
        self._shown = 0
        self._waiting: deque[tuple[int, int, TokenProb]] = deque()

    @property
    def sequence(self) -> str | None:
        """The stop sequence that has ended the text, None = no stop sequence so far."""
        return self._holdback.matched

    def add(self, token: Token) -> Delta | None:
        """Take one more token, and return the further text to show; None = no further text yet."""
        start = self._holdback.decoded
        shown = self._holdback.feed(token.piece)
        if token.prob is not None:
            self._waiting.append((start, self._holdback.decoded, token.prob))
        return self._delta(shown) if shown else None

    def rest(self) -> Delta | None:
        """Return the rest of the text and of the log probabilities when the answer has ended; None = there is
        no rest. The rest of the text was held back because it might have become a stop sequence or a complete
        character. After a stop sequence there is no more text.
        """
        shown = self._holdback.close()
        return self._delta(shown, last=True) if shown or self._waiting else None

    def _delta(self, shown: str, *, last: bool = False) -> Delta | None:
        self._shown += len(shown)
        probs: list[TokenProb] = []
        while self._waiting:
            start, end, prob = self._waiting[0]
            # A token that a stop sequence cuts in two was shown in part; a token after it was not shown.
            if end > self._shown and not (last and start < self._shown):
                break
            probs.append(prob)
            self._waiting.popleft()
        return Delta(self._id, shown, tuple(probs)) if shown or probs else None

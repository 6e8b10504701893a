"""llama.cpp as an engine, through the binding cyllama: https://github.com/shakfu/cyllama

This code works around problems of cyllama 0.2.18. `get_logits` reads the attribute `n_vocab` of the model,
but only the vocabulary has this attribute. The text of a token that is a part of a character contains U+FFFD.
A batch larger than `n_batch`, or an invalid grammar, ends the process.
"""

from __future__ import annotations

import heapq
import importlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dragoman.errors import WireError
from dragoman.seams.clock import SYSTEM
from dragoman.upstreams.local import gguf
from dragoman.upstreams.local.cores import usable_cores
from dragoman.upstreams.local.engine import EngineRefused, Token, library
from dragoman.upstreams.local.protocol import DEFAULT_CONTEXT, Draw, Options, TokenProb

_RANDOM_SEED = 0xFFFFFFFF  # llama.h, LLAMA_DEFAULT_SEED
_BYTE_PAIRS = 2  # llama.h, LLAMA_VOCAB_TYPE_BPE
_CHUNK = 64
"""The number of prompt tokens that are computed at once. Larger chunks are not faster on a CPU."""
CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The chat template for a model without a template, as in llama.cpp."""

_ENVIRONMENT = {
    # llama.cpp's threads wait for each other at every layer, by default in a busy loop. If the machine does
    # anything else at the same time (the gateway does), that is ten times slower than going to sleep after a
    # short while. Going to sleep at once is two times slower on an idle machine. libgomp counts the turns of
    # its loop.
    "GOMP_SPINCOUNT": "1000",
    # Without this, a failed assertion starts a debugger to print the stack.
    "GGML_NO_BACKTRACE": "1",
}


class Llama:
    """The llama.cpp engine. verbose: True = llama.cpp may write its log to standard error. The constructor
    raises EngineRefused("model") if the binding is not installed.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        # Only this module is needed; `import cyllama` would load its agents and servers as well.
        self._native = library("cyllama.llama.llama_cpp", "local")
        if not verbose:
            self._native.disable_logging()
        self._native.ggml_backend_load_all()

    def load(self, options: Options) -> LlamaModel:
        try:
            header = gguf.read(Path(options.path))
        except (OSError, WireError) as error:
            raise EngineRefused("model", f"{options.path} cannot be used: {error}") from error
        trained = header.context or DEFAULT_CONTEXT
        context = options.context or min(DEFAULT_CONTEXT, trained)
        if context > trained:
            larger = f"the context of {context} tokens is larger than the {trained} tokens"
            raise EngineRefused("model", f"{larger} that the model was trained for")
        try:
            return LlamaModel(self._native, options, context, header.template or CHATML)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise EngineRefused("model", f"{options.path} cannot be loaded: {error}") from error


class LlamaModel:
    """One loaded model and its context. The same request with the same seed gives the same answer.

    The chunks at the beginning of a prompt that are the same as in the previous prompt are not computed
    again, unless the kind of model forbids that. Only complete chunks (of `_CHUNK` tokens) are reused,
    because the last digits of a logit depend on how many tokens are computed at once.
    """

    def __init__(self, native: Any, options: Options, context: int, template: str) -> None:
        self.context = context
        self.takes_tools = "tools" in template
        self._native = native
        params = native.LlamaModelParams()
        params.n_gpu_layers = 1 << 16 if options.gpu_layers < 0 else options.gpu_layers
        self._model = _counting(native)(options.path, params)
        self._vocab = self._model.get_vocab()
        threads = options.threads or usable_cores()
        shape = native.LlamaContextParams()
        shape.n_ctx = context
        shape.n_threads = shape.n_threads_batch = threads
        shape.no_perf = True
        self._context = native.LlamaContext(self._model, shape)
        self._context.install_cancel_callback()
        self._chunk = min(_CHUNK, int(self._context.n_batch))
        self._kept: list[int] = []
        self._bos, self._eos = (self._special(t) for t in (self._vocab.token_bos(), self._vocab.token_eos()))
        self._template = _compile(template)

    def _special(self, token: int) -> str:
        return "" if token < 0 else str(self._vocab.token_to_piece(token, special=True))

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        try:
            return str(
                self._template.render(
                    messages=messages,
                    tools=tools or None,
                    add_generation_prompt=True,
                    bos_token=self._bos,
                    eos_token=self._eos,
                )
            )
        except Exception as error:  # a template is a program by the model's author: it may raise anything
            message = f"the model's chat template rejects this conversation: {error}"
            raise EngineRefused("invalid", message) from error

    def tokenize(self, prompt: str) -> list[int]:
        """Return the prompt's tokens, with the special tokens that the model expects around a prompt. They
        are not added if the chat template has already written the beginning-of-text token at the beginning of
        `prompt`.
        """
        written = bool(self._bos) and prompt.startswith(self._bos)
        return list(self._vocab.tokenize(prompt, add_special=not written, parse_special=True))

    def generate(
        self, prompt: Sequence[int], draw: Draw, grammar: str | None, cancelled: Callable[[], bool]
    ) -> Iterator[Token]:
        context, native = self._context, self._native
        # In this order, a cancellation is noticed either here or by the computation that follows.
        context.cancel = False
        if cancelled():
            return
        sampler = self._sampler(draw, grammar)
        try:
            self._read(prompt)
            place = len(prompt)
            while True:
                # The logits exist only until the next token is computed.
                logits = None if draw.top_logprobs is None else context.get_logits_ith(-1)
                token = sampler.sample(context, -1)
                if cancelled() or self._vocab.is_eog(token):
                    return
                yield Token(self._piece(token), self._prob(token, logits, draw.top_logprobs))
                context.decode(native.llama_batch_get_one([token], place))
                place += 1
        except InterruptedError:
            return
        finally:
            sampler.close()

    def _read(self, prompt: Sequence[int]) -> None:
        """Compute the prompt's tokens, except the chunks that are reused (see the class)."""
        context, chunk = self._context, self._chunk
        # The last token is always computed, because sampling needs its logits.
        most = min(len(self._kept), (len(prompt) - 1) // chunk * chunk)
        differs = (place for place in range(most) if prompt[place] != self._kept[place])
        kept = next(differs, most) // chunk * chunk
        # Sliding-window attention has dropped the beginning of the context; a recurrent model cannot go
        # back.
        if not (kept and context.memory_seq_pos_min(0) == 0 and context.memory_seq_rm(0, kept, -1)):
            context.kv_cache_clear()
            kept = 0
        del self._kept[kept:]
        for start in range(kept, len(prompt), chunk):
            tokens = prompt[start : start + chunk]
            context.decode(self._native.llama_batch_get_one(tokens, start))
            if len(tokens) == chunk:
                self._kept += tokens

    def cancel(self) -> None:
        self._context.cancel = True

    def close(self) -> None:
        self._context.close()  # first: it uses the weights
        self._model.close()

    def _sampler(self, draw: Draw, grammar: str | None) -> Any:
        sampler = self._native.LlamaSampler(self._native.LlamaSamplerChainParams())
        if draw.bias:
            sampler.add_logit_bias(self._vocab.n_vocab, list(draw.bias))
        if grammar is not None:
            sampler.add_grammar(self._vocab, grammar, "root")
        if (draw.repetition, draw.frequency, draw.presence) != (1.0, 0.0, 0.0):
            sampler.add_penalties(draw.window, draw.repetition, draw.frequency, draw.presence)
        if draw.temperature <= 0:
            sampler.add_greedy()
            return sampler
        if draw.top_k > 0:
            sampler.add_top_k(draw.top_k)
        sampler.add_top_p(draw.top_p, 1)
        sampler.add_min_p(draw.min_p, 1)
        sampler.add_temp(draw.temperature)
        sampler.add_dist(_RANDOM_SEED if draw.seed is None else draw.seed % _RANDOM_SEED)
        return sampler

    def _piece(self, token: int) -> bytes:
        """Return the bytes of a token; b"" for a control token."""
        text = str(self._vocab.token_to_piece(token, special=False))
        if "�" not in text:
            return text.encode()
        stored = str(self._vocab.get_text(token))
        if self._vocab.vocab_type == _BYTE_PAIRS:
            return bytes(_BYTE_OF[char] for char in stored if char in _BYTE_OF)
        if stored.startswith("<0x"):  # SentencePiece writes a single byte as <0xE2>
            return bytes([int(stored[3:5], 16)])
        return text.encode()

    def _prob(self, token: int, logits: Sequence[float] | None, top: int | None) -> TokenProb | None:
        if logits is None or top is None:
            return None
        peak = max(logits)
        whole = peak + math.log(math.fsum(math.exp(logit - peak) for logit in logits))
        best = heapq.nlargest(top, range(len(logits)), key=logits.__getitem__)

        def prob(id_: int) -> TokenProb:
            return TokenProb(id_, self._piece(id_), logits[id_] - whole)

        return TokenProb(token, self._piece(token), logits[token] - whole, tuple(prob(id_) for id_ in best))


def _counting(native: Any) -> Any:
    """Return a subclass of the binding's model class, with the added attribute `n_vocab` (the size of the
    vocabulary). A context's `get_logits` needs this attribute.
    """

    class CountingModel(native.LlamaModel):  # type: ignore[misc] # the base is a C extension's type
        @property
        def n_vocab(self) -> int:
            return int(self.get_vocab().n_vocab)

    return CountingModel


def _compile(source: str) -> Any:
    """Return the compiled chat template. The template runs in a sandbox, because an unknown author may have
    written it.
    """
    sandbox = importlib.import_module("cyllama._vendor.jinja2.sandbox")
    environment = sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["cyllama._vendor.jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: time.strftime(form, time.localtime(SYSTEM.now()))
    return environment.from_string(source)


def _tojson(value: Any, indent: int | None = None, **_options: Any) -> str:
    """Return the value as JSON, as chat templates expect it: not escaped for HTML. Options other than
    `indent` are ignored.
    """
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> None:
    raise ValueError(message)


def _byte_table() -> dict[str, int]:
    """Return {character: byte} for the printable characters that stand for bytes in byte-pair vocabularies
    (GPT-2's alphabet).
    """
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTE_OF = _byte_table()

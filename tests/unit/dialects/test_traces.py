"""A provider's stack traces and the paths of its machine stay there: clients get the first sentence."""

from __future__ import annotations

import time

import pytest

from dragoman.dialects.failure import read_body, untraced
from dragoman.dialects.table import DIALECTS
from dragoman.wire.json import encode

PYTHON = (
    'Traceback (most recent call last):\n  File "/app/server.py", line 10, in handle\n'
    "    run(batch)\nValueError: The batch is empty. It holds nothing."
)
TOLD: dict[str, str] = {
    PYTHON: "The batch is empty.",
    PYTHON.replace("\n", "\\n"): "The batch is empty.",
    f"The engine failed. Ask again.\n{PYTHON}": "The engine failed.",
    'Internal error: Traceback (most recent call last): File "/x/y.py", line 3, in f': "Internal error",
    "Cannot read (reading 'x')\n    at Object.<anonymous> (/app/index.js:10:5)": "Cannot read (reading 'x')",
    "TypeError: x is no function at handler (/app/index.js:10:5)": "x is no function",
    "java.lang.NullPointerException: No model\n\tat com.acme.Server.run(Server.java:33)": "No model",
    "index out of range\n\ngoroutine 1 [running]:\nmain.main()\n\t/tmp/x.go:8": "index out of range",
    "thread 'main' panicked at src/main.rs:4:5:\nindex out of bounds": "index out of bounds",
    "Could not open /usr/lib/cuda/libfoo.so. Ask the operator.": "Could not open [path]",
    "Out of memory. See vllm/engine/llm.py:212.": "Out of memory.",
    r"Cannot load C:\models\big.gguf here": "Cannot load [path] here",
}
KEPT = [
    "Invalid URL (POST /v1/chat/completions). See https://platform.openai.com/home/x.",
    "The model `org/gpt-9` does not exist. Try another. Or not.",
    "messages.0.content: Input should be a valid string",
    "Look at line 3 of main.py. It is wrong.",
    "A tool failed at step 3 (code: 5). It was tried twice.",
    "Unsupported file: report.pdf. Expected image/png or image/jpeg.",
]


@pytest.mark.parametrize(("said", "told"), TOLD.items())
def test_the_first_sentence_is_told(said: str, told: str) -> None:
    assert untraced(said) == told


@pytest.mark.parametrize("said", KEPT)
def test_other_words_are_kept(said: str) -> None:
    assert untraced(said) == said


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("html", [False, True])
def test_no_dialect_tells_a_trace(name: str, html: bool) -> None:
    """Neither in the message, nor in what else the provider stated, which its own clients are shown."""
    said = {"message": PYTHON, "type": "server_error", "code": "x", "details": {"trace": [PYTHON]}}
    page = f"<html><body><pre>{PYTHON}</pre></body></html>".encode()
    fault = DIALECTS[name].errors.decode(500, {}, page if html else encode({"error": said}))
    for face in DIALECTS.values():
        _, _, body = face.errors.encode(fault, "req_1")
        assert b"Traceback" not in body
        assert b"server.py" not in body
        assert html or b"The batch is empty." in body


def test_a_trace_without_words_is_no_reason() -> None:
    assert read_body(b"Traceback (most recent call last):").message == "The provider gave no reason."


@pytest.mark.parametrize(
    "said",
    [
        *(
            "a/" * 40000,
            "at " + "x" * 70000,
            "at (" * 20000,
            "A:\\" * 20000,
            "    at" * 9000,
            'File "' * 12000,
        ),
        *("x.py" * 20000, ". " * 30000 + "/usr/x", "A." * 30000 + "Traceback (most recent", "/usr/" * 15000),
    ],
    ids=lambda said: said[:12],
)
def test_it_takes_little_time_whatever_it_reads(said: str) -> None:
    began = time.process_time()
    untraced(said)
    assert time.process_time() - began < 1

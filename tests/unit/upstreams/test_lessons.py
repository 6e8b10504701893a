"""What a provider's refusals leave behind."""

from __future__ import annotations

from dragoman import ir
from dragoman.upstreams.lessons import Lessons

NOT_CHAT = ir.Fault("not_found", "This is not supported in the v1/chat/completions endpoint.", status=404)
TOO_LONG = ir.Fault("context_length", "Your input is too long.", status=400)
NO_THOUGHTS = ir.Fault("invalid_request", "Encrypted content is not supported with this model.", status=400)


def test_a_refusal_counts_for_its_model() -> None:
    lessons = Lessons()
    assert lessons.learns("m", NOT_CHAT)
    assert lessons.learns("m", NOT_CHAT), "somebody asked before it was known"
    assert not lessons.learns("other", TOO_LONG)
    assert (lessons.of("m"), lessons.of("other")) == ("never", None)


def test_a_refusal_of_encrypted_thinking_says_that_a_model_does_not_think() -> None:
    lessons = Lessons()
    assert not lessons.learns_thoughtless("m", NOT_CHAT)
    assert lessons.learns_thoughtless("n", NO_THOUGHTS)
    assert lessons.thoughtless == {"n"}
    assert lessons.of("n") is None


def test_what_is_remembered_is_bounded() -> None:
    lessons = Lessons()
    for number in range(1024):
        assert lessons.learns(f"m{number}", NOT_CHAT)
        assert lessons.learns_thoughtless(f"m{number}", NO_THOUGHTS)
    assert lessons.learns("m0", NOT_CHAT)
    assert lessons.learns_thoughtless("m0", NO_THOUGHTS)
    assert lessons.of("m1023") == "never"
    assert len(lessons.thoughtless) == 1024
    assert lessons.learns("m1024", NOT_CHAT)
    assert lessons.learns_thoughtless("m1024", NO_THOUGHTS)
    assert (lessons.of("m0"), lessons.of("m1024")) == (None, "never")
    assert lessons.thoughtless == {"m1024"}

"""The words of enum values that older Google clients state as numbers. The index of a word is its number.

https://protobuf.dev/programming-guides/json/ · https://github.com/googleapis/googleapis/tree/master/google/ai
"""

from __future__ import annotations

from typing import Any, Final

MODES: Final = ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED")
MODALITIES: Final = ("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO")
OUTCOMES: Final = ("OUTCOME_UNSPECIFIED", "OUTCOME_OK", "OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED")
TASKS: Final = (
    *("TASK_TYPE_UNSPECIFIED", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY"),
    *("CLASSIFICATION", "CLUSTERING", "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY"),
)


def in_words(value: Any, words: tuple[str, ...]) -> Any:
    """Return the word at index `value` of `words`, if `value` is an int that is a valid index (0 or more);
    otherwise `value` itself.
    """
    return words[value] if type(value) is int and 0 <= value < len(words) else value

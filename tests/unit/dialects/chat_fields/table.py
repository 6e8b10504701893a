"""The whole table, by chapter, in the page's order."""

from __future__ import annotations

from tests.unit.dialects.chat_fields import answers, history, messages, tools, wishes
from tests.unit.dialects.chat_fields.row import Row

TABLE: dict[str, tuple[Row, ...]] = {
    "The request": wishes.CORE,
    "Service tiers": wishes.TIERS,
    "Sampling and length": wishes.SAMPLING,
    "The answer's form": answers.FORM,
    "Sound and pictures in the answer": answers.MEDIA,
    "Reasoning": answers.REASONING,
    "Tools": tools.DEFINITIONS,
    "The choice of tools": tools.CHOICE,
    "Web search": tools.SEARCH,
    "Messages": messages.ROLES,
    "Parts of a user's message": messages.PARTS,
    "The assistant's messages": history.ANSWERS,
    "Calls and their results": history.CALLS,
}

ROWS: tuple[Row, ...] = tuple(row for rows in TABLE.values() for row in rows)

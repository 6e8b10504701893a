"""Stateful turns: continued conversations, stored and background responses, stored chat completions,
sessions.

The gateway owns this state. A provider gets the complete input with each request, so a conversation can
continue at another provider and, if the state is in a database, in another process or after a crash. Items
of the Responses API are stored as the JSON that the client sent or read, because a later response must repeat
exactly this JSON.
"""

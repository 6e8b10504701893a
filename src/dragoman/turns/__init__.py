"""Stateful turns: continued conversations, stored and background answers, stored chats, sessions.

The gateway owns this state. Providers get the whole input and `store: false`, so a conversation can continue
at another provider, in another process, or after a crash. Items of the Responses API are stored in the
protocol's own words, because a later answer to the client must repeat exactly what the client has read.

Files: items (wire items) · keeping (storing and finding) · turn (one request) · background · compaction ·
chats (stored chat completions) · sessions (conversations by X-Session-Id, in any protocol).
"""

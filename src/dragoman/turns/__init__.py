"""What a request continues, and what keeps its answer: the state of the Responses API, kept chats, sessions.

The gateway owns this state. Providers are asked with the whole input and told to store nothing, so a
conversation may go on at another provider, in another process, after a crash. What the Responses API keeps is
kept in its own items, because what a client gets back must be what it was told.

Files: items (wire items) · keeping (what is kept and found) · turn (one request) · background · compaction ·
chats (kept chat completions) · sessions (conversations by X-Session-Id, in any protocol).
"""

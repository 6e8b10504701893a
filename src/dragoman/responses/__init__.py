"""The stateful parts of the Responses API: continued conversations, stored answers, background answers.

The gateway owns this state. Providers get the whole input and `store: false`, so a conversation can continue
at another provider, in another process, or after a crash. Items are stored in the protocol's own words,
because a later answer to the client must repeat exactly what it was told.

Files: items (wire items) · keeping (storing and finding) · turn (one request) · background · compaction.
"""

"""The Responses API beyond one question and its answer: what is continued, kept, run in the background.

The gateway owns this state. Providers are asked with the whole input and told to store nothing, so a
conversation may go on at another provider, in another process, after a crash. Everything here is written in
the protocol's own items, because what a client gets back must be what it was told.

Files: items (wire items) · keeping (what is kept and found) · turn (one request) · background · compaction.
"""

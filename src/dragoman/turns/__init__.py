"""Stateful turns: continued conversations, stored and background answers, stored chats, sessions.

The gateway owns this state. Providers get the whole input and store nothing, so a conversation can continue
at another provider and, from a database, in another process or after a crash. Items of the Responses API are
stored as the JSON that the client sent or read, because a later answer must repeat exactly that.
"""

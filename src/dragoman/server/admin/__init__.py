"""The paths below /admin: what an operator sees and changes while the gateway runs.

Here are the operations as rows (`operation`), from which endpoints and the OpenAPI description are made, and
what all of them keep: who may call (`access`), bodies and queries with exact errors (`reading`), ETags
(`tags`), lists (`pages`), and an entry for each change (`audit`). What an operation shows or changes lives in
the rooms below; nothing here is on the way of a model's request. See docs/decisions/0035-administration.md.
"""

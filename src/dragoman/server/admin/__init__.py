"""The paths below /admin: what an operator sees and changes while the gateway runs.

Each operation is a row (`operation`), from which its endpoint and its OpenAPI description are made. All
operations share the rules for who may call (`access`), the decoding of bodies and queries with exact errors
(`reading`), ETags (`tags`), pages of lists (`pages`), and the entry for each change (`audit`). The state that
operations show or change is in lower layers. No model's request passes through these modules. See
docs/decisions/0035-administration.md.
"""

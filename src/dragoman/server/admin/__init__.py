"""The paths below /admin: what an operator sees and changes while the gateway runs.

Each operation is a row (`operation`). The OpenAPI description is made from all rows, and the endpoints too,
except those of the rows in `described`, whose endpoints are in other modules. The modules here share the
rules for who may call (`access`), the decoding of bodies and queries with exact errors (`reading`), ETags
(`tags`), pages of lists (`pages`), and the entries for changes (`audit`). The state that operations show or
change is in lower layers. See docs/decisions/0035-administration.md.
"""

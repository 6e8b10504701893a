"""The HTTP API of the administration: the paths below /admin, by which operators see and change the gateway
while it runs. Keys that belong to a tenant and have the scope `read` or `admin` reach a part of it, for what
belongs to their tenant.

A row (`operation.Operation`) describes each operation. The OpenAPI description is made from all rows. So are
the endpoints, except those for exchanges, running requests and usage, which are written by hand. The modules
here share the rules for who may call (`access`), the decoding of bodies and queries (`reading`), ETags
(`tags`), pages of lists (`pages`), and the entries for changes (`audit`). See
docs/decisions/0035-administration.md.
"""

"""The HTTP API of the administration: the paths below /admin, by which operators see and change the gateway
while it runs. Keys that belong to a tenant and have the scope `read` or `admin` reach a part of it, for what
belongs to their tenant.

A row (`operation.Operation`) describes each operation. The OpenAPI description is made from all rows. The
endpoints are made from the rows, too. Only the operations whose rows are in `described` have endpoints that
other modules write by hand. The modules here share the rules for who may call (`access`), the decoding of
bodies and queries (`reading`), ETags (`tags`), pages of lists (`pages`), and the entries for changes
(`audit`). The state that operations show or change is in lower layers. See
docs/decisions/0035-administration.md.
"""

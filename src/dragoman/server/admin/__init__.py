"""The administration of a running gateway, below /admin, for keys with the scope `admin`."""

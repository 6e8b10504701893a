"""Tells other systems what an operator should know soon: which alerts go out, as which webhooks, and how."""

"""Judgements and rankings through a running gateway, for official clients and plain HTTP."""

"""Vendors and the accounts configured at them: their protocols, addresses, credentials, and facts about their
models. No IO.
"""

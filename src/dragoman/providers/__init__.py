"""Vendors and accounts: their dialects, addresses, credentials, and facts about their models. No IO."""

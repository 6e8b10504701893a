"""Vendors and accounts: which dialect they speak, at which address, with which credential. No IO."""

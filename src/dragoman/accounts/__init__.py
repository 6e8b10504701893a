"""Who may call what, and how much: client keys, their owners, limits, and the journal of what was used."""

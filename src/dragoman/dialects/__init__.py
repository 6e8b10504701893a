"""The dialects: one package for each protocol, listed in `table`, and what all of them share."""

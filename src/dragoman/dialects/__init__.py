"""The dialects: one package for each protocol (the list is in `table`), and the modules that they share."""

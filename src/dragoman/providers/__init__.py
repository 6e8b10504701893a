"""Vendors of models, and the providers (accounts at vendors) that the configuration states: their protocols,
addresses, credentials and prices, and known facts about models. Only packaged tables are read from disk;
nothing here uses the network.
"""

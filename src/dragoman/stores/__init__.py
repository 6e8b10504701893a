"""The stores: implementations of `state.store.Store` in memory and in a database, and of
`state.exchanges.Exchanges` in a database.
"""

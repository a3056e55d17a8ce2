"""The database: the reference's tables to the letter, ours beside them, one module an aggregate.

A transaction is a plain function that takes a connection (:class:`serbero.store.engine.Store`).
"""

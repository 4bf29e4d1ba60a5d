"""The model package: its files and its signature.

Imports features and the spec; the servers may import it.
"""

"""The model package: its files, and its signature.

Imports features and the spec; what serves may import it.
"""

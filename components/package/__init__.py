"""The model package: its files, the encoding that training and serving share, its signature.

Imports the spec; what serves may import it.
"""

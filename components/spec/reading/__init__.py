"""Reads a spec from its file by strict YAML; a server, which gets a package, does not need this.

Imports the spec's types; everything but the model server may import it.
"""

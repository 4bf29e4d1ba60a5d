"""Reads a spec from its file, by strict YAML; a server that gets a package has no need of it.

Imports the spec's types; everything but the model server may import it.
"""

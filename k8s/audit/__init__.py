"""Writes the dossier of a version: all that is known of it, each sentence linked to a record and its digest.

Imports report and the storeys below; nothing imports it.
"""

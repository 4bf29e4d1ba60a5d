"""Inspects any table and writes a first spec for it (`make new`).

Imports any other room of components; nothing imports it.
"""

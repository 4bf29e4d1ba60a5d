"""Rebuilds a registered version from the materials that its receipt names, without a network, and compares the two.

Imports the storeys below; nothing imports it.
"""

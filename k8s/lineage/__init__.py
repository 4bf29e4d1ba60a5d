"""Follows an answer back to its data, link by link.

Imports rendering and cluster.
"""

"""Follows an answer to its data, a link at a time.

Imports rendering and cluster.
"""

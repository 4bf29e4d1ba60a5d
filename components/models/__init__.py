"""Kinds of model: their search, training on a device, export as a graph, and use.

Imports table, package and spec.
"""

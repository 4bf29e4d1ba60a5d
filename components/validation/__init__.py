"""Checks of a table: cells, copies, leaks, and shift since the champion's data.

Imports evaluation's metrics, table, package and spec.
"""

"""What may be wrong with a table: leaks, and shift since the champion's data.

Imports evaluation's metrics, table, package and spec.
"""

"""Tables: reading any CSV or Parquet file, its cells, rows to learn from, rows as requests.

Imports the spec and the encoding.
"""

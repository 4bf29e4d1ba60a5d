"""Tables: reading any CSV or Parquet file, its cells, training examples, and rows as requests.

Imports the spec and the encoding.
"""

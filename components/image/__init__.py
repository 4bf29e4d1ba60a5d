"""Images: which sources of ours one holds, the record of one that was built, and reading one byte by byte.

Imports the ground only; services and k8s may import it.
"""

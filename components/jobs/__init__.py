"""A training as a Job on a pool of nodes.

Imports models, table, package and spec; k8s may import it.
"""

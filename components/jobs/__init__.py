"""A training as a Kubernetes Job on a pool of nodes, and the program of its workers.

Imports models, table, package and spec; pipelines and k8s may import it.
"""

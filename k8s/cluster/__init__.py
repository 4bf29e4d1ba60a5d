"""A cluster: kubectl and helm, retries, images on its nodes; `python -m k8s.cluster` starts kind's.

Imports errors only; every room of k8s may import it.
"""

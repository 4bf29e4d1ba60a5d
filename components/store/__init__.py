"""The store: content under its own digest, in a folder or in a bucket.

Imports spec, table and the ground; rooms that stand later, pipelines and k8s may import it.
"""

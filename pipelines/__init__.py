"""The training graph: compiled for Kubeflow Pipelines, run locally, submitted, triggered.

Imports components; k8s may import it.
"""

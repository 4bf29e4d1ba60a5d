"""The training graph: compiled for Kubeflow Pipelines, run locally, submitted, scheduled, triggered.

Imports components; k8s may import it.
"""

"""MLflow's registry and tracking, and a model's provenance.

Imports evaluation, models, package, git and spec.
"""

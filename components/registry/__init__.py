"""MLflow's registry and tracking, and where a model comes from.

Imports evaluation, models, package, git and spec.
"""

"""What runs in an environment: its release files, its Git repository, rollbacks, and the status of a Canary.

Imports git and spec; services and k8s may import it.
"""

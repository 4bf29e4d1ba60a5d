"""What runs in an environment: the release file.

Imports package, git and spec; services and k8s may import it.
"""

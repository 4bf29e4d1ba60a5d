"""The release file, which says what runs in an environment.

Imports package, git and spec; services and k8s may import it.
"""

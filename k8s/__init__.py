"""Everything about a cluster, and the twin that stands in for one.

Imports all other storeys; nothing but tests and Terraform's programs imports it.
"""

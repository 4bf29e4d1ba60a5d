"""The twin stands in for a cluster on one machine: sync, gateway, rollout loop, servers.

Imports rendering, report and the storeys below; nothing but tests imports it.
"""

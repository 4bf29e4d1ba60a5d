"""Installs the platform in a cluster: its prerequisites, its namespaces, and its own services.

Imports rendering and cluster; nothing imports it.
"""

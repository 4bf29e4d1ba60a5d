"""Backups of what MLflow keeps in the platform's own stores, and their restoration.

Imports components and cluster; upgrade imports it.
"""

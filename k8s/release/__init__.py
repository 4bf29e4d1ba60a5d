"""Releases in Git: proposed, promoted, asked for by a pull request, and how they stand.

Imports rendering and cluster.
"""

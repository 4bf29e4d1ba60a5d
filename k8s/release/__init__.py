"""Releases in Git: proposing and promoting them, writing their pull requests, and reading their status.

Imports rendering and cluster.
"""

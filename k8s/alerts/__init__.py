"""Proves that alerts reach somebody: the rules are loaded, and a receiver takes a test alert.

Imports rendering and cluster; platform and deploy import it.
"""

"""Brings a platform that is there to the versions of this tree, while models go on serving.

Imports platform, backup, rendering and cluster; nothing imports it.
"""

"""Brings the platform to a cluster: what it needs, where it lives, and its own services."""

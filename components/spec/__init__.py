"""The spec, a team's decisions about one model: its types, its views, and the changes that break callers.

Imports the ground only; everything may import it.
"""

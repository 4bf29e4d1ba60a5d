"""What a team decides about one model: the spec's types, its views, and what breaks callers.

Imports the ground only; everything may import it.
"""

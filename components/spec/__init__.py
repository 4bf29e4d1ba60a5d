"""What a team decides about one model: the spec's types, its strict YAML, its views, what breaks callers.

Imports errors only; everything may import it.
"""

"""Git, independent of the user's own settings: a runner for its commands, and a bare repository.

Imports errors only; everything may import it.
"""

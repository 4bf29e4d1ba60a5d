"""Git, whatever the user's own settings are: running it, and a bare repository.

Imports errors only; everything may import it.
"""

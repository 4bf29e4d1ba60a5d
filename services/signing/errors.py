"""The errors of signing.

SigningError   there is no identity to sign with, or the key is unusable; says what is needed
"""


class SigningError(Exception):
    """An error that a person can act on; its message is meant to be shown."""

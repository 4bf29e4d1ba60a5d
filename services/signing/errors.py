"""The errors of signing.

SigningError   nobody can sign here, or the key cannot; says what is needed
"""


class SigningError(Exception):
    """A fault that a person can act on; its message is one to show."""

"""The errors that the twin raises on purpose.

TwinError
├── ProcessError     a process does not start, or keeps dying; the message holds the end of its log
└── GatewayError     the gateway does not accept a configuration
"""


class TwinError(Exception):
    """A fault that a person can act on; its message is meant to be shown."""


class ProcessError(TwinError):
    """A process does not start, or keeps dying."""


class GatewayError(TwinError):
    """The gateway does not accept a configuration."""

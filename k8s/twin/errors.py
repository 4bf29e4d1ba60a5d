"""The errors that the twin raises on purpose.

TwinError
├── ProcessError     a process does not start, or keeps dying; holds the end of its log
└── GatewayError     the gateway does not take a configuration
"""


class TwinError(Exception):
    """A fault that a person can act on; its message is one to show."""


class ProcessError(TwinError):
    """A process does not start, or keeps dying."""


class GatewayError(TwinError):
    """The gateway does not take a configuration."""

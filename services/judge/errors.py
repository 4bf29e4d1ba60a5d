"""The errors that the judge raises on purpose.

JudgeError
├── SourceError      samples cannot be had; says from where and why
├── RegistryError    MLflow refuses or cannot be asked
│   └── UnregisteredError  it does not know the version, or knows another package by its number
└── ClusterError     Kubernetes refuses or cannot be asked
"""


class JudgeError(Exception):
    """A fault that a person can act on; its message is one to show."""


class SourceError(JudgeError):
    """Samples cannot be had."""


class RegistryError(JudgeError):
    """MLflow refuses or cannot be asked."""


class UnregisteredError(RegistryError):
    """The version that serves was registered elsewhere."""


class KubernetesError(JudgeError):
    """Kubernetes refuses or cannot be asked."""

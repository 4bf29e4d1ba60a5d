"""The errors that the judge raises on purpose.

JudgeError
├── SourceError      samples cannot be read; says from where and why
├── RegistryError    MLflow refuses or cannot be reached
│   └── UnregisteredError  it does not know the version, or has another package under its number
├── KubernetesError  Kubernetes refuses or cannot be reached
└── PlanError        a plan was asked for with a wrong value; says what is allowed
"""


class JudgeError(Exception):
    """An error that a person can act on; its message is meant to be shown."""


class SourceError(JudgeError):
    """Samples cannot be read."""


class RegistryError(JudgeError):
    """MLflow refuses or cannot be reached."""


class UnregisteredError(RegistryError):
    """This MLflow does not have the version that serves, or has another package under its number."""


class KubernetesError(JudgeError):
    """Kubernetes refuses or cannot be reached."""


class PlanError(JudgeError):
    """A plan was asked for with a wrong value."""

"""The errors that a training on a cluster raises on purpose; kubectl's own are `k8s.errors`.

DeployError
└── TrainingError  what was given cannot be trained on a cluster, or the Job failed
"""

from k8s.errors import DeployError


class TrainingError(DeployError):
    """No model came back; its message is one to show."""

"""The errors that a deployment raises on purpose.

DeployError
├── EnvironmentFileError  a file of k8s/envs is wrong or not there; says which key
├── ToolError             helm or kubectl is not on the PATH; says what to install
├── ClusterError          the cluster is not reached, or lacks something; says what
└── RolloutError          what was deployed does not get ready, or was rolled back
"""


class DeployError(Exception):
    """A fault that a person can act on; its message is one to show."""


class EnvironmentFileError(DeployError):
    """A file of an environment is wrong or not there."""


class ToolError(DeployError):
    """A program is missing."""


class ClusterError(DeployError):
    """The cluster is not reached, or refuses, or lacks something."""


class RolloutError(DeployError):
    """What was deployed does not get ready, or was rolled back."""

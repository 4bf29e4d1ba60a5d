"""The errors that a deployment raises on purpose.

DeployError
├── EnvironmentFileError  a file of k8s/envs is wrong or missing; says which key
├── ToolError             helm or kubectl is not on the PATH; says what to install
├── ClusterError          the cluster cannot be reached, or lacks something; says what
└── RolloutError          a deployed version does not become ready, or was rolled back
"""


class DeployError(Exception):
    """A fault that a person can act on; its message is meant to be shown."""


class EnvironmentFileError(DeployError):
    """A file of an environment is wrong or missing."""


class ToolError(DeployError):
    """A program is missing."""


class ClusterError(DeployError):
    """The cluster cannot be reached, refuses a request, or lacks something."""


class RolloutError(DeployError):
    """A deployed version does not become ready, or was rolled back."""

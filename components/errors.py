"""The errors that the components raise on purpose.

ComponentError
├── SpecError       the spec is wrong; a person must correct service.yaml
├── DataError       the table is wrong; names the column and the rows
├── PackageError    a model package is incomplete, changed or wrong
│   └── SignatureError  the trusted key did not sign these bytes
├── GateError       a candidate does not meet the gates of the spec
├── GitError        Git refused or is not installed; quotes Git's message
├── ImageRecordError  the record of a built image is missing or broken
├── LayoutError     an image's bytes do not match their digests
├── ReleaseError    a release file is wrong; names the key
├── TrainingJobError  workers that train together failed, or the cluster does not let them start
│   └── LostWorkersError  a worker lost the others; a new try goes on from the checkpoint
├── StoreError      the store of snapshots and packages lacks content or refuses
└── CodeError       a step's image has other code than its pipeline
"""


class ComponentError(Exception):
    """An error that a person can act on; its message is fit to show."""


class SpecError(ComponentError):
    """The spec is wrong."""


class DataError(ComponentError):
    """The table cannot be used."""


class PackageError(ComponentError):
    """A model package is incomplete or was changed."""


class SignatureError(PackageError):
    """A package's signature is missing, wrong or made with another key."""


class GateError(ComponentError):
    """A candidate was refused offline."""


class GitError(ComponentError):
    """Git refused."""


class ImageRecordError(ComponentError):
    """The record of a built image cannot be read."""


class LayoutError(ComponentError):
    """An exported image does not match its digests."""


class ReleaseError(ComponentError):
    """A release file is wrong."""


class TrainingJobError(ComponentError):
    """Workers that train together failed, or could not start."""


class LostWorkersError(TrainingJobError):
    """A worker lost the others; a new try goes on from the checkpoint."""


class StoreError(ComponentError):
    """The store lacks content, holds changed content, or refuses."""


class CodeError(ComponentError):
    """A step's image has other code than its pipeline."""

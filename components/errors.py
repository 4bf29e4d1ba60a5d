"""The errors that the components raise on purpose.

ComponentError
├── SpecError       the spec is wrong; a person must correct service.yaml
├── DataError       the table is wrong; names the column and the rows
├── PackageError    a model package is incomplete, changed or wrong
│   └── SignatureError  the trusted key did not sign these bytes
├── DeviceError     a step was promised an accelerator and does not see it
├── ModelLibraryError  a candidate's library cannot be loaded; says what it wants
├── GateError       a candidate does not meet the gates of the spec
├── GitError        Git refused or is not installed; quotes Git's message
├── ImageRecordError  the record of a built image is missing or broken
├── LayoutError     an image's bytes do not match their digests
├── ImageRegistryError  a registry, or an image in it, cannot be used; says what to do
├── ModelImageError  a model's image is refused or cannot be made
├── SigningError    there is no identity to sign with, or the key is unusable; says what is needed
├── ReleaseError    a release file is wrong; names the key
├── TrainingJobError  workers that train together failed, or the cluster does not let them start
│   └── LostWorkersError  a worker lost the others; a new try goes on from the checkpoint
├── StoreError      the store of snapshots and packages lacks content or refuses
├── UnknownVersionError  the registry of models lacks a version
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


class DeviceError(ComponentError):
    """A step was promised an accelerator and does not see it."""


class ModelLibraryError(ComponentError):
    """A candidate's library cannot be loaded, or grew what the graph has no place for."""


class GateError(ComponentError):
    """A candidate was refused offline."""


class GitError(ComponentError):
    """Git refused."""


class ImageRecordError(ComponentError):
    """The record of a built image cannot be read."""


class LayoutError(ComponentError):
    """An exported image does not match its digests."""


class ImageRegistryError(ComponentError):
    """A registry, or an image in it, cannot be used."""


class ModelImageError(ComponentError):
    """A model's image is refused, or cannot be made."""


class SigningError(ComponentError):
    """Nothing can be signed here."""


class ReleaseError(ComponentError):
    """A release file is wrong."""


class TrainingJobError(ComponentError):
    """Workers that train together failed, or could not start."""


class LostWorkersError(TrainingJobError):
    """A worker lost the others; a new try goes on from the checkpoint."""


class StoreError(ComponentError):
    """The store lacks content, holds changed content, or refuses."""


class UnknownVersionError(ComponentError):
    """The registry of models lacks a version."""


class CodeError(ComponentError):
    """A step's image has other code than its pipeline."""

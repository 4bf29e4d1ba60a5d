"""The errors that the components raise on purpose.

ComponentError
├── SpecError       the spec is wrong; a person mends service.yaml
├── DataError       the table is wrong; names the column and the rows
├── PackageError    a package's bytes are not what they say
│   └── SignatureError  nobody who may has signed them
├── GateError       a candidate did not show what the spec demands
├── GitError        Git refused, or is not installed; says what it said
├── ImageRecordError  the record of a built image is not there, or broken
├── LayoutError     an image's bytes are not what their names say
├── ReleaseError    a release file is wrong; says which key
└── TrainingInputError  the inputs of a training Job are too large for it
"""


class ComponentError(Exception):
    """A fault that a person can act on; its message is one to show."""


class SpecError(ComponentError):
    """The spec is wrong."""


class DataError(ComponentError):
    """The table cannot be used."""


class PackageError(ComponentError):
    """A model package is incomplete or was changed."""


class SignatureError(PackageError):
    """A package's signature is missing, wrong or somebody else's."""


class GateError(ComponentError):
    """A candidate was refused offline."""


class GitError(ComponentError):
    """Git refused."""


class ImageRecordError(ComponentError):
    """The record of a built image cannot be read."""


class LayoutError(ComponentError):
    """An exported image that is not what it says."""


class ReleaseError(ComponentError):
    """An environment file is wrong."""


class TrainingInputError(ComponentError):
    """The inputs of a training Job do not fit in it."""

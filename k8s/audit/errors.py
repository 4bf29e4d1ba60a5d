"""The one error of the dossier.

AuditError   a dossier cannot be written, or one that was written does not hold any more
"""

from __future__ import annotations


class AuditError(Exception):
    """No dossier, or one that does not hold; the message is one to show."""

"""The one error of the dossier.

AuditError   a dossier cannot be written, or no longer holds
"""

from __future__ import annotations


class AuditError(Exception):
    """A dossier cannot be written or no longer holds; the message is meant to be shown."""

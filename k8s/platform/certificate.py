"""The gateway's certificate: read from its Secret, checked, and made or renewed where it is self-signed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from k8s.cluster.kubectl import apply_as, get_json
from k8s.errors import ClusterError
from k8s.platform.self_signed import LIFE, KeyPair, issue, make_authority
from k8s.rendering.gateway import CERTIFICATE, OURS, OWNER, names

_AUTHORITY: Final = "gateway-ca"
#: A self-signed certificate with less time left is made anew; of another one it is said.
SOON: Final = timedelta(days=30)


@dataclass(frozen=True)
class TlsSecret:
    """What a Secret of type kubernetes.io/tls holds; `authority` is empty unless its issuer gave one."""

    pair: KeyPair
    authority: str


class CertificateError(ClusterError):
    """The gateway's certificate is missing, or callers would refuse it."""


def read_secret(name: str = CERTIFICATE) -> TlsSecret | None:
    """The Secret with a certificate, None if it does not exist."""
    found = get_json("-n", OURS.namespace, "get", "secret", name, "--ignore-not-found").get("data")
    if found is None:
        return None
    held = {key: base64.b64decode(text).decode(errors="replace") for key, text in found.items()}
    pair = KeyPair(held.get("tls.crt", ""), held.get("tls.key", ""))
    return TlsSecret(pair, held.get("ca.crt", ""))


def check(secret: TlsSecret | None, domain: str, now: datetime) -> datetime:
    """Checks that callers of a domain's services can accept a certificate; returns when it runs out.

    Raises:
        CertificateError: it is missing, broken, not valid now, or not for these names.
    """
    where = f"Secret {CERTIFICATE} in namespace {OURS.namespace}"
    if secret is None:
        raise CertificateError(f"{where} does not exist, so the gateway has no certificate")
    try:
        certificate = x509.load_pem_x509_certificate(secret.pair.certificate.encode())
        key = load_pem_private_key(secret.pair.key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"{where}: tls.crt or tls.key is not PEM without a password ({error})") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise CertificateError(f"{where}: tls.key is not the key of tls.crt")
    if certificate.not_valid_before_utc > now:
        raise CertificateError(f"{where}: the certificate is valid only from {_day(certificate.not_valid_before_utc)}")
    if certificate.not_valid_after_utc <= now:
        raise CertificateError(f"{where}: the certificate ran out on {_day(certificate.not_valid_after_utc)}")
    if names(domain)[0] not in _names(certificate):
        known = ", ".join(_names(certificate)) or "no name"
        raise CertificateError(f"{where}: the certificate is for {known}, and must be for {names(domain)[0]}")
    return certificate.not_valid_after_utc


def fingerprint(pem: str) -> str:
    """The SHA-256 fingerprint of a certificate, as openssl and browsers show it."""
    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex(":").upper()


def bring_self_signed(domain: str, now: datetime, say: Callable[[str], None]) -> None:
    """Makes the certificate if there is none, or if it runs out soon; the authority stays as long as it can."""
    there = read_secret()
    try:
        if check(there, domain, now) - now > SOON:
            return
        reason = "runs out soon, was made anew"
    except CertificateError as error:
        reason = "was made" if there is None else f"was made anew ({error})"
    authority = _authority(domain, now)
    _keep(CERTIFICATE, issue(authority, names(domain), now), authority.certificate)
    say(f"gateway: the self-signed certificate {reason}")


def _authority(domain: str, now: datetime) -> KeyPair:
    there = read_secret(_AUTHORITY)
    if there is not None and _signs(there.pair, domain, now):
        return there.pair
    made = make_authority(domain, now)
    _keep(_AUTHORITY, made, made.certificate)
    return made


def _signs(authority: KeyPair, domain: str, now: datetime) -> bool:
    """Whether an authority outlives what it would sign, and vouches for the domain."""
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate.encode())
        permitted = certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    except (ValueError, x509.ExtensionNotFound):
        return False
    return certificate.not_valid_after_utc > now + LIFE and [one.value for one in permitted] == [domain]


def _keep(name: str, pair: KeyPair, authority: str) -> None:
    held = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority}
    metadata = {"name": name, "namespace": OURS.namespace, "labels": {"app.kubernetes.io/part-of": "canario"}}
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "kubernetes.io/tls",
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in held.items()},
    }
    apply_as(OWNER, [document])


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return found.get_values_for_type(x509.DNSName)


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

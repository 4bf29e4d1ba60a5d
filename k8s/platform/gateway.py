"""Brings the public gateway of an environment: its certificate, its objects, and what a person needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from components.files import write_atomically
from k8s.cluster.gateway import addresses, obstacles, read_gateway
from k8s.cluster.kubectl import apply_as, get_json, is_there, kubectl
from k8s.errors import ClusterError
from k8s.platform.certificate import SOON, CertificateError, bring_self_signed, check, fingerprint, read_secret
from k8s.platform.in_force import wait_until_in_force
from k8s.platform.issuer import ISSUING, bring_issuer, require_issuer
from k8s.rendering.environment_files import Platform
from k8s.rendering.gateway import (
    CERTIFICATE,
    OURS,
    OWNER,
    REDIRECT,
    SERVICE,
    GatewaySettings,
    ca_file,
    gateway_objects,
    names,
)

_PROGRAMMED_SECONDS: Final = 60.0
_ISSUED_SECONDS: Final = 180.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class GatewayPlan:
    """What an environment's gateway is to be: where its files are, and what the environment says."""

    root: Path
    environment: str
    platform: Platform

    @property
    def settings(self) -> GatewaySettings:
        """The settings of the gateway."""
        return self.platform.gateway

    @property
    def controllers(self) -> tuple[str, ...]:
        """The controllers that it needs beyond those that every environment has."""
        return (ISSUING,) if self.settings.issuer and not self.platform.has_own_gateway else ()


def require_certificate(plan: GatewayPlan) -> None:
    """Checks a certificate that a person brings, or where one is to come from, before anything is installed.

    Raises:
        CertificateError: it is missing, or callers would refuse it.
        ClusterError: the issuer is not there, and the environment has no file of it.
    """
    if plan.platform.has_own_gateway:
        return
    if plan.settings.issuer:
        require_issuer(plan.root, plan.environment, plan.settings.issuer)
    if plan.settings.certificate != "secret":
        return
    try:
        check(read_secret(), plan.platform.domain, datetime.now(UTC))
    except CertificateError as error:
        command = f"kubectl -n {OURS.namespace} create secret tls {CERTIFICATE} --cert=chain.pem --key=key.pem"
        raise CertificateError(f"{error}; `kubectl create namespace {OURS.namespace}`, `{command}`") from error


def bring_gateway(plan: GatewayPlan, say: Say) -> None:
    """Brings the certificate and the objects, waits until both are in force, and tells how callers reach it.

    Raises:
        ClusterError: the issuer is missing, the certificate is not valid, or the controller does not take the Gateway.
    """
    if plan.platform.has_own_gateway:
        say("gateway: services attach to one of your own, as values.route.gateway says; nothing is made for it here")
        return
    _require_service()
    bring_certificate(plan, say)
    apply_as(OWNER, gateway_objects(plan.settings, plan.platform.domain))
    if plan.settings.serves_http:
        # What was applied before, for other settings, would go on redirecting names of which no route is.
        route = ("httproutes.gateway.networking.k8s.io", REDIRECT)
        kubectl("-n", OURS.namespace, "delete", *route, "--ignore-not-found")
    if plan.settings.has_tls:
        _tell_certificate(plan, say)
    _wait_until_programmed()
    for line in told(plan, addresses(read_gateway(OURS.namespace, OURS.name))):
        say(line)


def bring_certificate(plan: GatewayPlan, say: Say) -> None:
    """Makes or renews a self-signed certificate, or brings the issuer of one.

    Raises:
        ClusterError: the environment's issuer is missing, or not ready in time.
    """
    if plan.platform.has_own_gateway:
        return
    if plan.settings.certificate == "self-signed":
        bring_self_signed(plan.platform.domain, datetime.now(UTC), say)
    elif plan.settings.issuer:
        bring_issuer(plan.root, plan.environment, plan.settings.issuer, say)


def told(plan: GatewayPlan, found: list[str]) -> Iterator[str]:
    """How callers reach the gateway, and who does; a line each."""
    settings, anyone = plan.settings, names(plan.platform.domain)[0]
    if not settings.has_tls:
        yield "gateway: WARNING: plain HTTP (certificate: none); whoever is on the way reads and changes what is sent"
    elif settings.serves_http:
        yield "gateway: WARNING: callers in plain HTTP are served, too (http: served); whoever is on the way reads them"
    place = settings.address or next(iter(found), None)
    yield f"gateway: {settings.url(anyone)}, {f'at {place}' if place else 'which has no address yet'}"
    if settings.address is None and place:
        yield f"gateway: DNS needs {anyone} {_record(place)} {place}; external-dns makes that record where it runs"
    if settings.is_open:
        yield "gateway: it lets in callers from everywhere; gateway.source_ranges in platform.yaml narrows that"
    else:
        yield f"gateway: its load balancer lets in {', '.join(settings.source_ranges)}"


def _record(place: str) -> str:
    try:
        return "A" if ip_address(place).version == 4 else "AAAA"
    except ValueError:
        return "CNAME"


def _require_service() -> None:
    if not is_there("-n", OURS.namespace, "get", "service", SERVICE):
        raise ClusterError(
            f"gateway: there is no Service {SERVICE} in namespace {OURS.namespace}, so the Traefik of this cluster is "
            "another's; name its Gateway in values.route.gateway of the environment's platform.yaml"
        )


def _tell_certificate(plan: GatewayPlan, say: Say) -> None:
    now = datetime.now(UTC)
    if plan.settings.issuer:
        wait_until_in_force(_not_issued, _ISSUED_SECONDS, "the certificate", _issuing)
    secret = read_secret()
    until = check(secret, plan.platform.domain, now)
    day = f"{until:%Y-%m-%d}"
    if until - now < SOON:
        say(f"gateway: WARNING: the certificate runs out on {day}")
    say(f"gateway: the certificate ({plan.settings.certificate}) is valid until {day}")
    if secret and secret.authority:
        file = ca_file(plan.root, plan.environment)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, secret.authority)
        seal = fingerprint(secret.authority)
        say(f"gateway: callers need its authority, {file.relative_to(plan.root)} (SHA-256 {seal})")


def _not_issued() -> list[str]:
    return [] if read_secret() else [f"Secret {CERTIFICATE} is not there"]


def _issuing() -> str:
    """What cert-manager says of the certificate that it is to issue."""
    found = get_json("-n", OURS.namespace, "get", "certificates.cert-manager.io", CERTIFICATE, "--ignore-not-found")
    said = [one.get("message", "") for one in found.get("status", {}).get("conditions", ())]
    return "; ".join(filter(None, said)) or f"{ISSUING} has not taken it up (does it run with enableGatewayAPI?)"


def _wait_until_programmed() -> None:
    wait_until_in_force(lambda: obstacles(read_gateway(OURS.namespace, OURS.name)), _PROGRAMMED_SECONDS, "the gateway")

"""The public gateway of an environment: its settings, its objects, and the addresses of what stands behind it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from components.spec.contract import ClosedModel
from k8s.cluster.helm import KEEP, RESOURCE_POLICY
from k8s.rendering.values import GatewayReference

#: The Gateway that `make platform` makes; an environment may name one of its own in `values.route.gateway`.
OURS: Final = GatewayReference()
#: The controller's class, its Service, and the listeners with the ports of its entry points (k8s/controllers).
CLASS: Final = "traefik"
SERVICE: Final = "traefik"
HTTP, HTTPS = "web", "websecure"
PORTS: Final = {HTTP: 8000, HTTPS: 8443}
#: The route that sends callers in plain HTTP to HTTPS, where they are not served.
REDIRECT: Final = "redirect-to-https"
#: The Secret with the certificate, in the Gateway's namespace.
CERTIFICATE: Final = "gateway-tls"
#: The owner of the fields that an environment decides: of the controller's Service its chart has the rest.
OWNER: Final = "canario-gateway"
#: A caller that follows it sends the same method and body again, which 301 does not promise.
_PERMANENT: Final = 308
_EVERYBODY: Final = ("0.0.0.0/0", "::/0")
_ISSUER: Final = "issuer/"
_USUAL: Final = {"http": 80, "https": 443}


def _network(text: str) -> str:
    ip_network(text)  # its error names the text and what is wrong with it
    return text


def _address(text: str) -> str:
    ip_address(text)
    return text


class GatewaySettings(ClosedModel):
    """How callers outside the cluster reach an environment."""

    certificate: str = Field(
        default="self-signed",
        pattern=r"^(self-signed|secret|none|issuer/[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$",
        description="`issuer/NAME`: by cert-manager's ClusterIssuer of that name. `self-signed`: `make platform` makes "
        "one. `secret`: you put one into the Secret gateway-tls. `none`: plain HTTP.",
    )
    http: Literal["redirected", "served"] = Field(
        default="redirected",
        description="Beside HTTPS, callers in plain HTTP are sent to HTTPS, or served while they still move.",
    )
    source_ranges: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        default=("0.0.0.0/0",), min_length=1, description="Networks (CIDR) whose callers the load balancer lets in."
    )
    address: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None, description="Where the gateway is reached, if not at its load balancer's address."
    )
    http_port: int = Field(default=80, ge=1, le=65535, description="The port for HTTP at that address.")
    https_port: int = Field(default=443, ge=1, le=65535, description="The port for HTTPS at that address.")

    @property
    def has_tls(self) -> bool:
        """Whether callers speak HTTPS."""
        return self.certificate != "none"

    @property
    def issuer(self) -> str | None:
        """The ClusterIssuer that issues the certificate, if one does."""
        return self.certificate.removeprefix(_ISSUER) if self.certificate.startswith(_ISSUER) else None

    @property
    def serves_http(self) -> bool:
        """Whether callers in plain HTTP are served."""
        return not self.has_tls or self.http == "served"

    @property
    def listener(self) -> str:
        """The listener to which services attach their routes; empty for both."""
        if not self.has_tls:
            return HTTP
        return "" if self.serves_http else HTTPS

    @property
    def is_open(self) -> bool:
        """Whether callers from everywhere are let in."""
        return any(network in _EVERYBODY for network in self.source_ranges)

    @property
    def port(self) -> int:
        """The port at which services are called."""
        return self.https_port if self.has_tls else self.http_port

    def url(self, host: str) -> str:
        """The address of a service, by its host name."""
        scheme = "https" if self.has_tls else "http"
        return f"{scheme}://{host}" if self.port == _USUAL[scheme] else f"{scheme}://{host}:{self.port}"


def names(domain: str) -> tuple[str, str]:
    """The names that a certificate must have: every service's, and the domain's own."""
    return f"*.{domain}", domain


def ca_file(root: Path, environment: str) -> Path:
    """Where `make platform` leaves the certificate authority of an environment, if callers need to know one."""
    return root / "build" / "gateway" / f"{environment}-ca.pem"


def gateway_objects(settings: GatewaySettings, domain: str) -> list[dict[str, Any]]:
    """The Gateway with its listeners, the redirect of plain HTTP, and who may reach the load balancer."""
    redirect = [] if settings.serves_http else [_redirect(settings, domain)]
    return [_gateway(settings, domain), *redirect, _service(settings, domain)]


def _gateway(settings: GatewaySettings, domain: str) -> dict[str, Any]:
    issuer = {"cert-manager.io/cluster-issuer": settings.issuer} if settings.issuer else {}
    # Releases of the controller's chart before this file held the Gateway; Helm must not take it away with them.
    metadata = _metadata(OURS.name) | {"annotations": {RESOURCE_POLICY: KEEP, **issuer}}
    spec = {"gatewayClassName": CLASS, "listeners": list(_listeners(settings, domain))}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": metadata, "spec": spec}


def _listeners(settings: GatewaySettings, domain: str) -> Iterator[dict[str, Any]]:
    # The listener for plain HTTP takes only the redirect, unless services are to be served there.
    plain = "All" if settings.serves_http else "Same"
    yield _listener(HTTP, "HTTP", plain)
    if settings.has_tls:
        reference = {"group": "", "kind": "Secret", "name": CERTIFICATE}
        tls = {"mode": "Terminate", "certificateRefs": [reference]}
        yield _listener(HTTPS, "HTTPS", "All") | {"hostname": names(domain)[0], "tls": tls}


def _listener(name: str, protocol: str, namespaces: str) -> dict[str, Any]:
    allowed = {"namespaces": {"from": namespaces}}
    return {"name": name, "protocol": protocol, "port": PORTS[name], "allowedRoutes": allowed}


def _redirect(settings: GatewaySettings, domain: str) -> dict[str, Any]:
    # Traefik writes each port that it is given into the new address, the usual one too.
    port = {} if settings.https_port == _USUAL["https"] else {"port": settings.https_port}
    redirect = {"scheme": "https", "statusCode": _PERMANENT, **port}
    parent = {"name": OURS.name, "namespace": OURS.namespace, "sectionName": HTTP}
    rule = {"filters": [{"type": "RequestRedirect", "requestRedirect": redirect}]}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": _metadata(REDIRECT),
        "spec": {"parentRefs": [parent], "hostnames": [names(domain)[0]], "rules": [rule]},
    }


def _service(settings: GatewaySettings, domain: str) -> dict[str, Any]:
    """The part of the controller's Service that an environment decides; the rest is its chart's."""
    annotations = {
        "external-dns.alpha.kubernetes.io/hostname": names(domain)[0],
        # The Service is Helm's: Flux must not delete it when this part of it goes.
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
    }
    ranges = {} if settings.is_open else {"spec": {"loadBalancerSourceRanges": list(settings.source_ranges)}}
    metadata = _metadata(SERVICE) | {"annotations": annotations}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, **ranges}


def _metadata(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": OURS.namespace, "labels": {"app.kubernetes.io/part-of": "canario"}}

"""Installs what a cluster lacks of the platform, or brings what is there to what the environment's files say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from k8s.alerts.prerequisites import check_operator, check_secret
from k8s.alerts.prometheus import lacking_rules
from k8s.cluster import kubectl, nodes
from k8s.cluster.tunnel import ClusterService
from k8s.errors import EnvironmentFileError
from k8s.platform.address import check_followed, check_reverted
from k8s.platform.chart import ROOT, bring_platform, configs, environment_files, images, rendered
from k8s.platform.door import rules
from k8s.platform.gateway import GatewayPlan, bring_certificate, bring_gateway, require_certificate
from k8s.platform.installing import bring_controllers
from k8s.platform.tracking import bring_secret, parts, require_secret, stored, tracking
from k8s.rendering.alerting import Alerting
from k8s.rendering.environment_files import read_platform
from k8s.rendering.platform_values import PLATFORM

_PROMETHEUS: Final = ClusterService("PROMETHEUS", "monitoring", "prometheus", 9090)
#: A rule is loaded a few seconds after its ConfigMap is there.
_RULES_SECONDS: Final = 15.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Installation:
    """What is to be in a cluster.

    Attributes:
        environment: a folder of k8s/envs below `root`.
        controllers: optional ones, by name.
        admitted: registry and folder of the images that models lets in, if not the environment's own.
        given: more of Helm's options for the chart canario.
        seconds: the longest wait for its pods.
    """

    environment: str
    root: Path = ROOT
    controllers: tuple[str, ...] = ()
    admitted: str | None = None
    given: tuple[str, ...] = ()
    seconds: float = 300

    @property
    def files(self) -> Path:
        """The folder of the environment's files."""
        return environment_files(self.root, self.environment)

    @property
    def platform_file(self) -> str:
        """The path of the environment's platform.yaml."""
        return f"k8s/envs/{self.environment}/platform.yaml"

    @property
    def is_followed(self) -> bool:
        """Whether Flux installs from Git what is not a controller."""
        return "flux" in self.controllers and (self.files / "flux").is_dir()

    def gateway(self) -> GatewayPlan:
        """The environment's gateway.

        Raises:
            EnvironmentFileError: platform.yaml is missing or wrong.
        """
        return GatewayPlan(self.root, self.environment, read_platform(self.files / "platform.yaml"))


def install(wanted: Installation, say: Say) -> Iterator[str]:
    """Installs it, safe to repeat; yields a warning for each reason why nobody would hear of an alert.

    Raises:
        DeployError: something is missing, refused, or not ready in time.
    """
    if wanted.is_followed:
        _follow(wanted, say)
        return wanted.gateway().platform.alerts.gaps(wanted.platform_file)
    objects = rendered(wanted.environment, wanted.given, wanted.root)
    check_reverted(objects, wanted.environment)
    admission = configs(wanted.environment, wanted.root)
    needed, plan = tracking(objects), wanted.gateway()
    kubectl.check_ready()
    require_secret(needed, PLATFORM)
    alerting = plan.platform.alerts
    check_operator(alerting, wanted.platform_file)
    require_certificate(plan)
    bring_controllers(wanted.environment, [*wanted.controllers, *plan.controllers], say)
    with rules(admission, wanted.admitted) as folder:
        kubectl.apply("--kustomize", str(folder))
    let_in = f": {wanted.admitted}" if wanted.admitted else ""
    say(f"namespaces: canario and models, with their limits, and what models lets in{let_in}")
    check_secret(alerting, PLATFORM)
    bring_gateway(plan, say)
    bring_secret(needed, PLATFORM, say)
    for image in images(objects):
        nodes.bring(image, say)
    settings = [word for setting in stored(needed, PLATFORM, say) for word in ("--set", setting)]
    bring_platform(wanted.environment, [*settings, *wanted.given], wanted.seconds, wanted.root)
    say(f"{parts(needed)}: ready; next: make deploy SERVICE=churn ENV={wanted.environment}")
    return _silences(alerting, wanted.platform_file)


def _follow(wanted: Installation, say: Say) -> None:
    if wanted.admitted:
        raise EnvironmentFileError(
            f"--admit: {wanted.admitted} is not for an environment that Flux follows; write it into "
            f"k8s/envs/{wanted.environment}/configs/kustomization.yaml"
        )
    check_followed(wanted.root, wanted.environment)
    plan = wanted.gateway()
    kubectl.check_ready()
    require_certificate(plan)
    bring_controllers(wanted.environment, [*wanted.controllers, *plan.controllers], say)
    bring_certificate(plan, say)
    kubectl.apply("--kustomize", str(wanted.files / "flux"))
    place = f"k8s/envs/{wanted.environment}"
    say(f"flux: follows {place} in Git, and brings the rest from there; k8s/flux/README.md says how")


def _silences(alerting: Alerting, file: str) -> Iterator[str]:
    if alerting.rules == "configmap" and (lacking := lacking_rules(_PROMETHEUS, _RULES_SECONDS)):
        yield lacking
    yield from alerting.gaps(file)

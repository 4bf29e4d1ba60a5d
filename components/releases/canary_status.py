"""The status of a Canary as Flagger keeps it, and the phases that a rollout goes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: The first version serves; it had nobody to be compared with.
INITIALIZED: Final = "Initialized"
#: The canary passed and was promoted.
SUCCEEDED: Final = "Succeeded"
#: The canary has its largest weight, and waits to be promoted.
WAITING_PROMOTION: Final = "WaitingPromotion"
#: The canary was rolled back.
FAILED: Final = "Failed"
#: Phases in which the release that was asked for serves.
SERVING: Final = (INITIALIZED, SUCCEEDED)
#: Phases in which nothing is under way.
AT_REST: Final = (*SERVING, FAILED)


@dataclass(frozen=True)
class CanaryStatus:
    """A Canary at one moment.

    Attributes:
        phase: empty before Flagger saw the Canary.
        phase_since: the time at which the phase began, as Kubernetes writes it; empty where the status does not say.
        weight: percent of traffic that the canary gets.
        applied: Flagger's checksum of the pod that it rolls out, or rolled out last.
        promoted: Flagger's checksum of the pod that it promoted last.
    """

    phase: str = ""
    phase_since: str = ""
    weight: int = 0
    applied: str = ""
    promoted: str = ""

    @property
    def at_rest(self) -> bool:
        """Whether no rollout is under way."""
        return self.phase in AT_REST

    @property
    def failed(self) -> bool:
        """Whether the last rollout was rolled back."""
        return self.phase == FAILED


def stickiness(canary: Mapping[str, Any]) -> str:
    """A sentence if an object of flagger.app/v1beta1 sends callers back to the version they met first; else empty.

    Requests are then not routed one by one. A few heavy callers on one side would look like a difference between the
    versions, so no evidence that counts requests holds.
    """
    affinity = (canary.get("spec", {}).get("analysis") or {}).get("sessionAffinity")
    if not affinity:
        return ""
    cookie = affinity.get("cookieName", "") if isinstance(affinity, Mapping) else affinity
    return (
        f"spec.analysis.sessionAffinity ({cookie}) keeps each caller at one version, and requests that are not routed"
        " one by one cannot be judged; remove it from the Canary"
    )


def status_of(canary: Mapping[str, Any]) -> CanaryStatus:
    """The status of an object of flagger.app/v1beta1; an empty one before there is any."""
    status = canary.get("status") or {}
    return CanaryStatus(
        phase=str(status.get("phase") or ""),
        phase_since=_phase_since(status),
        weight=int(status.get("canaryWeight") or 0),
        applied=str(status.get("lastAppliedSpec") or ""),
        promoted=str(status.get("lastPromotedSpec") or ""),
    )


def _phase_since(status: Mapping[str, Any]) -> str:
    """The time of the condition that names the phase.

    While a canary is Failed, Flagger renews the status' own lastTransitionTime at every look
    (flagger v1.44, pkg/controller/scheduler.go: shouldAdvance), so that time says nothing.
    """
    conditions = (each for each in status.get("conditions") or () if each.get("reason") == status.get("phase"))
    return max((str(each.get("lastUpdateTime") or "") for each in conditions), default="")

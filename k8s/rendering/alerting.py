"""An environment's setting of who loads the alerts' rules, and who is told when one rings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from components.spec.contract import ClosedModel
from k8s.rendering.values import ObjectName

#: The keys that each receiver needs, and those that it may have.
_NEEDED: Final = {"slack": ("channel",), "email": ("to", "sender", "smarthost")}
_OPTIONAL: Final = {"email": ("username",)}
#: The keys that are passed on to Alertmanager's part of the chart canario under their own names.
_PASSED: Final = ("receiver", "secret", "channel", "to", "sender", "smarthost", "username", "watchdog")


class Alerting(ClosedModel):
    """The key `alerts` of `k8s/envs/<env>/platform.yaml`."""

    rules: Literal["configmap", "operator", "none"] = Field(
        default="configmap", description="For the platform's Prometheus, or for the Prometheus operator's."
    )
    receiver: Literal["none", "webhook", "slack", "email"] = Field(default="none", description="Who is told.")
    secret: Literal[""] | ObjectName = Field(
        default="", description="Secret in namespace canario: `url` or `password`, and `watchdog-url`."
    )
    channel: str = Field(default="", description="Slack's channel.")
    to: str = Field(default="", description="E-mail: the address that is told.")
    sender: str = Field(default="", description="E-mail: the address that it comes from.")
    smarthost: str = Field(default="", pattern=r"^$|^[^:\s]+:\d+$", description="E-mail: host and port of its server.")
    username: str = Field(default="", description="E-mail: who logs in there; the secret has the password.")
    watchdog: bool = Field(default=False, description="Tell `watchdog-url` every minute that alerts still arrive.")
    repository: str = Field(
        default="", pattern=r"^$|^https?://\S+$", description="Address of the repository's files in a browser."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for key in _NEEDED.get(self.receiver, ()):
            if not getattr(self, key):
                raise ValueError(f"receiver {self.receiver} needs {key}")
        fitting = {*_NEEDED.get(self.receiver, ()), *_OPTIONAL.get(self.receiver, ())}
        for key in ("channel", "to", "sender", "smarthost", "username"):
            if getattr(self, key) and key not in fitting:
                raise ValueError(f"{key} is not for receiver {self.receiver}; remove it")
        if self.secret_keys and not self.secret:
            raise ValueError(f"secret must name the secret that holds {' and '.join(self.secret_keys)}")
        if self.rules != "configmap" and (self.receiver != "none" or self.watchdog):
            raise ValueError(
                f"with rules {self.rules} there is no Alertmanager of the platform; configure the receiver in the "
                "operator's, or set rules to configmap"
            )
        return self

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The keys that the secret must have."""
        login = ("password",) if self.username else ()
        keys = {"none": (), "webhook": ("url",), "slack": ("url",), "email": login}[self.receiver]
        return (*keys, *(("watchdog-url",) if self.watchdog else ()))

    def service_monitoring(self) -> dict[str, Any]:
        """The part `monitoring` of a service's values."""
        by_operator = self.rules == "operator"
        return {"alerts": self.rules, "serviceMonitor": by_operator, "repository": self.repository}

    def platform_values(self) -> dict[str, Any]:
        """Values of the chart canario, by their path in it."""
        told = {f"alertmanager.{key}": getattr(self, key) for key in _PASSED}
        return {**told, "monitoring.alerts": self.rules, "monitoring.repository": self.repository}

    def gaps(self, file: str) -> Iterator[str]:
        """A sentence for each way in which nobody would be told; `file` is where the setting stands.

        An operator's Alertmanager is its owner's; only `make alert-test` knows whether it tells anybody.
        """
        if self.rules == "none":
            yield f"alerts reach nobody: {file} has alerts.rules none, so that no rule is loaded"
        elif self.rules == "configmap":
            if self.receiver == "none":
                yield (
                    f"alerts reach nobody: {file} has no alerts.receiver; set it to webhook, slack or email "
                    "(helm/canario/README.md), then `make platform` and `make alert-test`"
                )
            if not self.watchdog:
                yield (
                    f"nobody notices when Prometheus or Alertmanager stops: {file} has no alerts.watchdog; "
                    "helm/canario/runbooks/Watchdog.md says what it is"
                )

"""A Service's written form."""

from __future__ import annotations

import pytest

from k8s.cluster.forwarding import ServicePort


def test_a_services_port_is_read_as_it_is_written() -> None:
    service = ServicePort.parse("monitoring/prometheus:9090")
    assert (service.namespace, service.name, service.port) == ("monitoring", "prometheus", 9090)
    assert str(service) == "monitoring/prometheus:9090"


@pytest.mark.parametrize("text", ["prometheus:9090", "monitoring/prometheus", "http://monitoring/prometheus:9090", ""])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form namespace/service:port"):
        ServicePort.parse(text)

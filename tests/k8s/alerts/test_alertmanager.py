"""Alertmanager's counters are read by receiver."""

from __future__ import annotations

from k8s.alerts.alertmanager import DEAD_MAN, PEOPLE, Deliveries, deliveries

#: As Alertmanager 0.28.1 writes them with the feature receiver-name-in-metrics, and without.
_NAMED = """# TYPE alertmanager_notification_requests_failed_total counter
alertmanager_notification_requests_failed_total{integration="webhook",receiver_name="people"} 2
alertmanager_notification_requests_failed_total{integration="webhook",receiver_name="watchdog"} 0
# TYPE alertmanager_notification_requests_total counter
alertmanager_notification_requests_total{integration="webhook",receiver_name="people"} 3
alertmanager_notification_requests_total{integration="webhook",receiver_name="watchdog"} 1e+06
alertmanager_notifications_total{integration="webhook",receiver_name="people"} 99
"""
_UNNAMED = """alertmanager_notification_requests_failed_total{integration="email"} 1
alertmanager_notification_requests_total{integration="email"} 1
alertmanager_notification_requests_total{integration="slack"} 4
"""


def test_only_requests_that_did_not_fail_were_taken() -> None:
    assert deliveries(_NAMED, PEOPLE) == Deliveries(1, 2)
    assert deliveries(_NAMED, DEAD_MAN) == Deliveries(1e6, 0)


def test_where_receivers_have_no_name_all_count() -> None:
    assert deliveries(_UNNAMED, PEOPLE) == Deliveries(4, 1)


def test_no_counter_is_no_delivery() -> None:
    assert deliveries("", PEOPLE) == Deliveries(0, 0)

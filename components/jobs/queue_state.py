"""Says why a Job waits in its queue, in Kueue's own words: from the Workload that Kueue keeps of each Job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Document = Mapping[str, Any]

#: The label of a Workload with the UID of its Job.
JOB: Final = "kueue.x-k8s.io/job-uid"


def why_it_waits(workloads: Sequence[Document]) -> str:
    """The reasons that Kueue gives, each once; says so where it gives none yet."""
    given = dict.fromkeys(words for workload in workloads for words in _reasons(workload.get("status", {})))
    return "; ".join(given) or "Kueue has not looked at it yet"


def _reasons(status: Document) -> Iterator[str]:
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    evicted, reserved = conditions.get("Evicted"), conditions.get("QuotaReserved")
    if evicted and evicted["status"] == "True":
        yield evicted["message"]
    if reserved and reserved["status"] == "False":
        yield reserved["message"]
    for check in status.get("admissionChecks", ()):
        if check["state"] != "Ready":
            yield f"check {check['name']} is {check['state']}: {check['message']}"

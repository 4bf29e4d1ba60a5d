"""In which order Terraform takes things away, from what `terraform graph` says of who needs whom.

What needs another thing is made after it and goes before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_EDGE: Final = re.compile(r'"([^"]+)" -> "([^"]+)"')
_CLUSTER: Final = "module.cluster.google_container_cluster.this"
#: What has to go before what, and why the other way round would leave something behind or fail.
ORDER: Final = {
    ("module.pool.google_container_node_pool.this", _CLUSTER): "a pool cannot go without its cluster",
    ("module.pool.google_container_node_pool.this", "module.cluster.google_project_iam_member.nodes"): (
        "nodes that may not log nor pull never get ready, so that controllers could not clean up"
    ),
    (_CLUSTER, "module.network.google_compute_subnetwork.nodes"): "a subnetwork with nodes in it stays",
    (
        _CLUSTER,
        "module.network.google_compute_router_nat.this",
    ): "controllers reach their clouds through it to clean up",
    (
        "module.database.google_sql_database_instance.this",
        "module.network.google_service_networking_connection.managed",
    ): ("a database has its address in that range"),
    ("module.mlflow_identity.google_service_account_iam_member.this", _CLUSTER): (
        "there is no pool of identities before a cluster"
    ),
}


def wrong(graph: str) -> list[str]:
    """What of ORDER does not hold in a graph, each in a sentence; also what it names and is not there."""
    needs: dict[str, set[str]] = {}
    for one, other in _EDGE.findall(graph):
        needs.setdefault(_bare(one), set()).add(_bare(other))
    return [
        f"{before} may go after {after}: {why}"
        for (before, after), why in ORDER.items()
        if after not in _reached(before, needs)
    ]


def _reached(start: str, needs: dict[str, set[str]]) -> set[str]:
    return set(_walk(start, needs, set()))


def _walk(start: str, needs: dict[str, set[str]], seen: set[str]) -> Iterator[str]:
    for other in needs.get(start, set()) - seen:
        seen.add(other)
        yield other
        yield from _walk(other, needs, seen)


def _bare(node: str) -> str:
    """A node's address, without what terraform writes around it."""
    return node.removeprefix("[root] ").partition(" ")[0]

"""Checks Terraform's order of destruction against the dependencies that `terraform graph` prints.

A resource is made after the resources that it needs, and destroyed before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_EDGE: Final = re.compile(r'"([^"]+)" -> "([^"]+)"')
_CLUSTER: Final = "module.cluster.google_container_cluster.this"
#: (destroyed first, destroyed later) -> the reason why the reverse order would fail or leave something behind.
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
    """One sentence for each pair of ORDER that does not hold in a graph, or whose resource is missing there."""
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
    """A node's address without terraform's decoration."""
    return node.removeprefix("[root] ").partition(" ")[0]

"""What goes before what when an environment is taken away."""

from __future__ import annotations

from terraform.order import ORDER, wrong

GRAPH = "digraph G {\n" + "".join(f'  "{before}" -> "{after}";\n' for before, after in ORDER) + "}\n"


def test_a_graph_in_the_right_order_has_no_fault() -> None:
    assert wrong(GRAPH) == []


def test_what_is_needed_through_another_thing_counts() -> None:
    pool, cluster = "module.pool.google_container_node_pool.this", "module.cluster.google_container_cluster.this"
    longer = GRAPH.replace(f'"{pool}" -> "{cluster}"', f'"{pool}" -> "module.x.y.z";\n  "module.x.y.z" -> "{cluster}"')
    assert wrong(longer) == []


def test_each_missing_need_is_named() -> None:
    for before, after in ORDER:
        faults = wrong(GRAPH.replace(f'"{before}" -> "{after}"', ""))
        assert any(fault.startswith(f"{before} may go after {after}:") for fault in faults)


def test_an_empty_graph_is_no_pass() -> None:
    assert len(wrong("digraph G {\n}\n")) == len(ORDER)

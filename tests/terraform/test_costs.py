"""Costs, computed by hand first."""

from __future__ import annotations

import re

import pytest

from terraform.costs import CostsError, Database, Nodes, Pool, Prices, Sizes, costs, read_prices, read_sizes, table
from tests.repo.tree import ROOT

PRICES = Prices.model_validate(
    {
        "noted": "2026-01-02",
        "compared_with_price_pages": False,
        "region": "us-central1",
        "hours_a_month": 100,
        "cluster_hour": 0.5,
        "machine_hour": {"e2-standard-4": 2.0},
        "spot_share": 0.25,
        "disk_gb_month": 0.1,
        "database": {"cpu_hour": 1.0, "memory_gib_hour": 0.5, "disk_gb_month": 0.2, "highly_available_factor": 2},
    }
)
NODES = {"machine_type": "e2-standard-4", "min": 1, "max": 3, "disk_gb": 50, "spot": False}
DATABASE = {"tier": "db-custom-2-4096", "disk_gb": 10, "highly_available": False}


def sizes(region: str = "us-central1", nodes: object = NODES, database: object = DATABASE) -> Sizes:
    return Sizes.model_validate({"region": region, "pools": {"cpu": {"nodes": nodes}}, "database": database})


def test_a_month_is_cluster_nodes_with_disks_and_database() -> None:
    # cluster 0.5 x 100; a node 2 x 100 + 50 x 0.1; database (2 x 1 + 4 x 0.5) x 100 + 10 x 0.2
    lines = [(line.name, line.least, line.most) for line in costs(sizes(), PRICES)]
    assert lines == [("cluster", 50, 50), ("cpu", 205, 615), ("database", 402, 402), ("all", 657, 1067)]


def test_spot_and_a_standby_change_the_price() -> None:
    cheap = costs(sizes(nodes=NODES | {"spot": True}, database=DATABASE | {"highly_available": True}), PRICES)
    assert [line.least for line in cheap] == [50, 55, 804, 909]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (sizes(region="europe-west4"), "add that region's prices"),
        (sizes(nodes=NODES | {"machine_type": "n9-huge-1"}), "n9-huge-1 has no price"),
        (sizes(database=DATABASE | {"tier": "db-f1-micro"}), "db-f1-micro must look like"),
    ],
)
def test_what_has_no_price_is_refused(wrong: Sizes, said: str) -> None:
    with pytest.raises(CostsError, match=said):
        costs(wrong, PRICES)


def test_a_pool_with_accelerators_costs_what_its_machine_does() -> None:
    nodes = {
        "machine_type": "ct5lp-hightpu-4t",
        "min": 0,
        "max": 4,
        "disk_gb": 100,
        "spot": True,
        "zones": ["us-central1-a"],
    }
    plain = sizes(nodes=nodes)
    slice_of_16 = plain.model_copy(
        update={"pools": {"cpu": Pool.model_validate({"nodes": nodes, "tpu": {"topology": "4x4"}})}}
    )
    # 4 machines x (4.8 x 730 hours x 0.4, as they are spot, + 100 x 0.1)
    assert [round(line.most, 2) for line in costs(slice_of_16, read_prices()) if line.name == "cpu"] == [5646.4]
    assert costs(slice_of_16, read_prices()) == costs(plain, read_prices())


@pytest.mark.parametrize("environment", sorted(read_sizes()))
def test_moving_a_size_moves_the_table(environment: str) -> None:
    prices, before = read_prices(), read_sizes()[environment]
    told = table({environment: costs(before, prices)}, prices)
    for name, pool in before.pools.items():
        for moved in (
            {"max": pool.nodes.max + 1},
            {"spot": not pool.nodes.spot},
            {"disk_gb": pool.nodes.disk_gb + 50},
            {"machine_type": "ct5lp-hightpu-4t"},
        ):
            larger = pool.model_copy(update={"nodes": pool.nodes.model_copy(update=moved)})
            after = before.model_copy(update={"pools": before.pools | {name: larger}})
            assert table({environment: costs(after, prices)}, prices) != told, (name, moved)


def test_sizes_are_what_the_module_takes_and_no_more() -> None:
    text = (ROOT / "terraform" / "modules" / "platform" / "variables.tf").read_text(encoding="utf-8")
    block = text.partition('variable "pools"')[2].partition("  validation")[0]
    nodes = block.partition("nodes = object({")[2].partition("})")[0]
    assert set(re.findall(r"^ +(\w+) +=", nodes, re.MULTILINE)) == set(Nodes.model_fields)
    assert set(re.findall(r"^    (\w+) += ", block, re.MULTILINE)) == set(Pool.model_fields)
    database = text.partition('variable "database"')[2].partition("\n}\n")[0]
    assert set(re.findall(r"^    (\w+) += ", database, re.MULTILINE)) == set(Database.model_fields)


def test_every_environment_has_a_price_and_cluster_settings() -> None:
    """Every environment can be priced, and has settings for its cluster."""
    found = read_sizes()
    assert set(found) == {"staging", "production"}
    for name, environment in found.items():
        assert costs(environment, read_prices())[-1].most > 0
        assert (ROOT / "k8s" / "envs" / name / "platform.yaml").is_file()


def test_the_readme_quotes_the_table() -> None:
    prices = read_prices()
    lines = {name: costs(environment, prices) for name, environment in read_sizes().items()}
    assert table(lines, prices) in (ROOT / "terraform" / "README.md").read_text(encoding="utf-8")

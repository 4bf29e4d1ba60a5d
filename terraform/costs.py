"""Computes an environment's monthly cost by pool, from its sizes.json and prices.yaml, at fewest and at most nodes.

Run as `python -m terraform.costs`. Traffic, logs, buckets and images are left out, because they depend on use.
"""

from __future__ import annotations

import datetime
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

HERE = Path(__file__).parent


class CostsError(Exception):
    """A size has no price, or a file is wrong."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabasePrices(_Strict):
    """Prices of MLflow's database in US dollars."""

    cpu_hour: float
    memory_gib_hour: float
    disk_gb_month: float
    highly_available_factor: float


class Prices(_Strict):
    """Prices in US dollars, and the day on which they were noted."""

    noted: datetime.date
    compared_with_price_pages: bool
    region: str
    hours_a_month: float
    cluster_hour: float
    machine_hour: dict[str, float]
    spot_share: float
    disk_gb_month: float
    database: DatabasePrices


class Nodes(_Strict):
    """The machines of a pool; `min` and `max` count all zones together."""

    machine_type: str
    min: int
    max: int
    disk_gb: float
    spot: bool
    zones: tuple[str, ...] = ()


class Pool(_Strict):
    """A node pool in the form of modules/node-pool; a machine's price includes its GPUs and TPUs."""

    nodes: Nodes
    gpu: dict[str, Any] | None = None
    tpu: dict[str, Any] | None = None


class Database(_Strict):
    """MLflow's database."""

    tier: str
    disk_gb: float
    highly_available: bool


class Sizes(_Strict):
    """An environment's sizes.json."""

    region: str
    pools: dict[str, Pool]
    database: Database
    workflows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One row of the table: US dollars a month at fewest and at most nodes."""

    name: str
    least: float
    most: float


def costs(sizes: Sizes, prices: Prices) -> list[Line]:
    """The lines for the cluster, each pool, the database, and their sum; CostsError if a price is missing."""
    if sizes.region != prices.region:
        raise CostsError(f"sizes are for {sizes.region}, prices for {prices.region}: add that region's prices")
    cluster = prices.cluster_hour * prices.hours_a_month
    database = database_month(sizes.database, prices)
    lines = [Line("cluster", cluster, cluster)]
    lines += [pool_month(name, pool.nodes, prices) for name, pool in sizes.pools.items()]
    lines.append(Line("database", database, database))
    return [*lines, Line("all", sum(line.least for line in lines), sum(line.most for line in lines))]


def pool_month(name: str, nodes: Nodes, prices: Prices) -> Line:
    """A pool's cost at its fewest and its most nodes, disks included."""
    if nodes.machine_type not in prices.machine_hour:
        known = ", ".join(sorted(prices.machine_hour))
        raise CostsError(f"pool {name}: {nodes.machine_type} has no price (there are {known}): add it to prices.yaml")
    machine = prices.machine_hour[nodes.machine_type] * prices.hours_a_month * (prices.spot_share if nodes.spot else 1)
    node = machine + nodes.disk_gb * prices.disk_gb_month
    return Line(name, nodes.min * node, nodes.max * node)


def database_month(database: Database, prices: Prices) -> float:
    """The cost of the database's CPUs, memory and disk; the tier names the first two: db-custom-<CPUs>-<MiB>."""
    found = re.fullmatch(r"db-custom-(\d+)-(\d+)", database.tier)
    if found is None:
        raise CostsError(f"database: tier {database.tier} must look like db-custom-1-3840")
    cpus, memory_gib = int(found[1]), int(found[2]) / 1024
    hourly = cpus * prices.database.cpu_hour + memory_gib * prices.database.memory_gib_hour
    month = hourly * prices.hours_a_month + database.disk_gb * prices.database.disk_gb_month
    return month * (prices.database.highly_available_factor if database.highly_available else 1)


def table(environments: dict[str, list[Line]], prices: Prices) -> str:
    """The lines as a Markdown table, with a note on their prices."""
    rows = ["| environment | what | fewest nodes, $ a month | most nodes, $ a month |", "| --- | --- | ---: | ---: |"]
    for environment, lines in environments.items():
        rows += [f"| {environment} | {line.name} | {line.least:,.0f} | {line.most:,.0f} |" for line in lines]
    compared = "compared" if prices.compared_with_price_pages else "NOT compared"
    return "\n".join(
        [*rows, "", f"List prices of {prices.region} noted {prices.noted}, {compared} with the price pages."]
    )


def read_prices() -> Prices:
    """The dated price list."""
    return Prices.model_validate(yaml.safe_load((HERE / "prices.yaml").read_text()))


def read_sizes() -> dict[str, Sizes]:
    """The sizes of every environment, by its name."""
    files = sorted(HERE.glob("envs/*/sizes.json"))
    return {file.parent.name: Sizes.model_validate_json(file.read_text()) for file in files}


def main() -> int:
    """Prints the table; returns 1 with a message if it cannot be computed."""
    try:
        prices = read_prices()
        print(table({name: costs(sizes, prices) for name, sizes in read_sizes().items()}, prices))
    except (CostsError, ValidationError) as error:
        print(f"costs: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

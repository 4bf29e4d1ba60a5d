"""The judge's own readers understand what the twin writes for them."""

from __future__ import annotations

from pathlib import Path

from k8s.twin import loopback
from k8s.twin.ports import Ports
from k8s.twin.scraped import ScrapeTarget, WeightExporter, write_targets
from services.judge.evidence import sources
from services.judge.evidence.exposition import parse_page, read_weight


def test_the_judge_reads_the_targets(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    write_targets(
        path, "churn", [ScrapeTarget("127.0.0.1:1", "champion", "1"), ScrapeTarget("127.0.0.1:2", "canary", "2")]
    )
    assert sources.read_targets(path) == [
        sources.DiscoveredTarget("127.0.0.1:1", "churn", "champion"),
        sources.DiscoveredTarget("127.0.0.1:2", "churn", "canary"),
    ]


def test_the_judge_reads_the_weight_that_is_set_now() -> None:
    with Ports() as ports:
        exporter = WeightExporter("churn", ports.take())
        exporter.start()
        try:
            for weight in (0, 30):
                exporter.weight = weight
                page = loopback.get(f"http://{exporter.address}/metrics")
                assert page is not None
                samples = parse_page(page.body.decode())
                assert read_weight(samples, "churn") == weight
                assert read_weight(samples, "fraud") is None
            other = loopback.get(f"http://{exporter.address}/")
            assert other is not None
            assert other.status == 404
        finally:
            exporter.stop()
        assert loopback.get(f"http://{exporter.address}/metrics") is None

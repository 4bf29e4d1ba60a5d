"""The GitOps way on two twins that follow one repository: a good version goes to production, a bad one never does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.git.repository import Repository
from components.releases.release_file import Release
from k8s.release.errors import PromotionError
from k8s.release.promote import main
from k8s.release.promotion import Promotion, propose
from k8s.release.service_status import status_on_twin
from k8s.twin.twin import Twin
from tests.k8s.twin.tiny import SPEC, release, tiny_programs, traffic, wait_for

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Environments:
    repository: Repository
    twins: dict[str, Twin]

    def merge(self, environment: str, wanted: Release) -> None:
        self.twins[environment].deploy(wanted, f"Deploy tiny {wanted.version} to {environment}")

    def ended(self, environment: str, version: str) -> str:
        event = self.twins[environment].wait_for_end(version, 60)
        assert event is not None, f"version {version} came to no end in {environment}"
        return event.phase

    def record(self, environment: str) -> Path:
        return self.twins[environment].home / "events.jsonl"

    def promote(self, *more: str) -> int:
        places = ("--from", "staging", "--to", "production", "--repository", str(self.repository.path))
        return main(["--service", "tiny", *places, "--record", str(self.record("staging")), *more])

    def promote_and_merge(self) -> int:
        return self.promote("--merge", "--target-record", str(self.record("production")))


@pytest.fixture
def environments(tmp_path: Path) -> Iterator[Environments]:
    spec = tmp_path / "service.yaml"
    spec.write_text(SPEC.format(deadline_minutes=5))
    repository = Repository.create(tmp_path / "environment.git")

    def twin(environment: str) -> Twin:
        home = tmp_path / environment
        programs = tiny_programs(home)
        return Twin(
            spec, home, repository, lambda _digest: None, environment=environment, interval_seconds=0.4,
            judge_interval_seconds=0.2, program_for=programs,
        )  # fmt: skip

    with ExitStack() as stack:
        yield Environments(repository, {name: stack.enter_context(twin(name)) for name in ("staging", "production")})


def test_only_a_good_version_reaches_production(environments: Environments, capsys: pytest.CaptureFixture[str]) -> None:
    """A good version reaches production; a bad one is reverted and never proposed."""
    staging, production = environments.twins["staging"], environments.twins["production"]
    for environment in environments.twins:
        environments.merge(environment, release("1"))
        assert environments.ended(environment, "1") == "Initialized"
    with traffic(staging.url, callers=3, pause_seconds=0.004), traffic(production.url, callers=3, pause_seconds=0.004):
        environments.merge("staging", release("2"))
        wait_for(lambda: staging.events.wait_for(lambda event: event.kind == "weight" and event.version == "2", 0))
        assert environments.promote() == 1
        assert "a canary is under way" in capsys.readouterr().err
        assert environments.ended("staging", "2") == "Succeeded"
        assert environments.promote_and_merge() == 0
        assert "promote version 2 from staging to production" in capsys.readouterr().out
        assert environments.ended("production", "2") == "Succeeded"
        assert production.champion == release("2")
        good = environments.repository.tree(environments.repository.head())
        environments.merge("staging", release("3", CANARIO_FAULT_ERROR_RATIO="0.5"))
        assert environments.ended("staging", "3") == "Failed"
    assert environments.repository.log()[-1].subject == 'Revert "Deploy tiny 3 to staging"'
    assert environments.repository.tree(environments.repository.head()) == good
    capsys.readouterr()
    assert environments.promote() == 0
    assert capsys.readouterr().out == "production has version 2 already\n"
    assert "promote/production/tiny-3" not in _branches(environments.repository)
    assert production.champion == release("2")


def test_a_bad_version_is_not_proposed_while_its_commit_stands(environments: Environments) -> None:
    """Before the revert is there, the file asks for what does not answer."""
    for environment in environments.twins:
        environments.merge(environment, release("1"))
        assert environments.ended(environment, "1") == "Initialized"
    known = status_on_twin(environments.record("staging"))
    environments.merge("staging", release("2"))
    promotion = Promotion(str(environments.repository.path), "tiny", "staging", "production")
    with pytest.raises(PromotionError, match=r"version 1 .* answers there, and not 2"):
        propose(promotion, known)


def _branches(repository: Repository) -> set[str]:
    folder = repository.path / "refs" / "heads"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

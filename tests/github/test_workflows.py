"""The workflows call make and nothing else, may little, wait not for ever, and trust no event's text."""

from __future__ import annotations

import json
import re

import pytest

from components.signing.signers import read_signers
from tests.github.workflows import FOLDER, called, jobs, runs, workflows
from tests.repo.makefile import MAKEFILE, targets
from tests.repo.tree import ROOT

ACTION = re.compile(r"^\s*-?\s*(?:- )?uses: (\S+)(?: # (\S+))?$", re.MULTILINE)
SECRET = re.compile(r"\bsecrets\.(\w+)")
#: The one thing that no target does: whether all jobs of a run succeeded is known to the workflow alone.
GATE = """jq --exit-status 'length > 0 and all(.result == "success")' <<< "$NEEDS\""""

_ACCOUNTS = (ROOT / "terraform" / "modules" / "github" / "main.tf").read_text(encoding="utf-8")


def test_the_six_workflows_are_there() -> None:
    assert set(workflows()) == {"ci", "deploy", "e2e", "release", "terraform", "train"}


def test_every_target_that_a_workflow_calls_is_in_the_makefile() -> None:
    wanted = {name: {target for command in runs(job) for target in called(command)} for name, job in jobs()}
    missing = {name: sorted(asked - targets(MAKEFILE)) for name, asked in wanted.items() if asked - targets(MAKEFILE)}
    assert missing == {}


def test_workflows_run_make_and_nothing_else() -> None:
    other = {name: [run for run in runs(job) if not called(run) and run != GATE] for name, job in jobs()}
    assert {name: commands for name, commands in other.items() if commands} == {}


def test_no_expression_stands_in_a_command() -> None:
    assert {name: run for name, job in jobs() for run in runs(job) if "${{" in run} == {}


def test_every_action_is_pinned_to_a_commit_and_says_its_version() -> None:
    """Every action is pinned to a commit, with its version beside it."""
    used = [found for path in FOLDER.glob("*.yml") for found in ACTION.findall(path.read_text(encoding="utf-8"))]
    assert len(used) > 20
    loose = [(name, tag) for name, tag in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name) or not tag]
    assert loose == []
    assert len(set(used)) == len({name.partition("@")[0] for name, _ in used}), "one version of each action"


def test_every_job_has_an_end_and_its_own_permissions() -> None:
    assert [name for name, job in jobs() if "timeout-minutes" not in job or "permissions" not in job] == []
    assert [name for name, workflow in workflows().items() if workflow["permissions"] != {}] == []


def test_every_permission_has_its_reason_beside_it() -> None:
    granted = re.compile(r"^ {6}[a-z-]+: (?:read|write)(.*)$", re.MULTILINE)
    for path in FOLDER.glob("*.yml"):
        reasons = granted.findall(path.read_text(encoding="utf-8"))
        assert reasons, path.name
        assert all(reason.startswith(" # to ") for reason in reasons), path.name


def test_no_workflow_holds_a_secret() -> None:
    """Whoever needs the cloud is known by its identity, and the database's password comes from Secret Manager by it."""
    assert {
        (path.stem, name) for path in FOLDER.glob("*.yml") for name in SECRET.findall(path.read_text("utf-8"))
    } == set()


def test_staging_is_applied_whatever_productions_plan_says() -> None:
    """An apply needs its own plan and no other, and production's comes after staging's."""
    jobs_of = workflows()["terraform"]["jobs"]
    assert jobs_of["apply-staging"]["needs"] == "plan-staging"
    assert jobs_of["apply-production"]["needs"] == ["plan-production", "apply-staging"]
    assert {jobs_of[f"plan-{name}"]["needs"] for name in ("staging", "production")} == {"check"}


def test_a_plan_leaves_the_run_only_for_the_bucket_of_the_state() -> None:
    actions = [step.get("uses", "") for name, job in jobs() if name.startswith("terraform/") for step in job["steps"]]
    assert actions
    assert not [action for action in actions if "artifact" in action or "cache" in action]
    for environment in ("staging", "production"):
        job = workflows()["terraform"]["jobs"][f"apply-{environment}"]
        commands = runs(job)
        fetched = f'make tf-fetch ENV={environment} COMMIT="$GITHUB_SHA" DIGEST="$DIGEST"'
        assert commands.index(fetched) < commands.index(
            f'make require tf-apply ENV={environment} NAMES="STATE TF_VAR_project"'
        )
        digests = [step["env"]["DIGEST"] for step in job["steps"] if step.get("run") == fetched]
        assert digests == [f"${{{{ needs.plan-{environment}.outputs.digest }}}}"]


def test_the_five_triggers_of_a_training() -> None:
    on = workflows()["train"][True]
    assert set(on) == {"schedule", "push", "repository_dispatch", "workflow_dispatch"}
    assert on["repository_dispatch"]["types"] == ["train", "data-changed"]
    assert {"services/*/**", "services/telemetry.py", "components/**", "pipelines/**"} <= set(on["push"]["paths"])


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("make check", {"check"}),
        ('make sbom sign SERVICE="$SERVICE"', {"sbom", "sign"}),
        ('make trigger EVENT="$A" >> "$GITHUB_OUTPUT"', {"trigger"}),
        ('make tools TOOLS="helm kind"', {"tools"}),
        ("curl x && make check", set()),
    ],
)
def test_targets_are_seen(command: str, found: set[str]) -> None:
    assert called(command) == found


def test_the_table_for_other_systems_names_the_targets() -> None:
    """`.github/workflows/README.md` is what GitLab and Jenkins are set up from."""
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in workflows():
        row = next(line for line in table.splitlines() if line.startswith(f"| `{name}` "))
        asked = {
            target for each, job in jobs() if each.startswith(f"{name}/") for run in runs(job) for target in called(run)
        }
        assert asked - {"setup", "tools"} <= set(re.findall(r"`make ([a-z0-9-]+)", row)), name


def test_a_training_runs_where_its_store_and_registry_are() -> None:
    """A hosted runner starts the training on the cluster, in whose private network store and MLflow are."""
    job = workflows()["train"]["jobs"]["train"]
    commands = runs(job)
    asked = commands.index('make require NAMES="CLUSTER LOCATION REGISTRY SERVICE_ACCOUNT STORE"')
    trained = commands.index('make train-there SERVICE="$SERVICE"')
    signed, published = (commands.index(f'make {what} SERVICE="$SERVICE" ENV=staging') for what in ("sign", "publish"))
    assert asked < trained < commands.index('make tools TOOLS="cosign helm"') < signed < published
    assert "train" not in {target for command in commands for target in called(command)}
    assert "MLFLOW" not in job["env"], "submit's default is MLflow's address for pods"
    given = {
        step["uses"].partition("@")[0].rpartition("/")[2]: step.get("with") for step in job["steps"] if "uses" in step
    }
    assert given["get-gke-credentials"]["use_dns_based_endpoint"] is True
    assert given["get-gke-credentials"]["use_auth_provider"] is True


def test_who_publishes_is_known_to_the_registry_before() -> None:
    for name, job in jobs():
        targets_of_steps = [called(run) for run in runs(job)]
        published = [place for place, asked in enumerate(targets_of_steps) if {"publish", "publish-charts"} & asked]
        assert bool(published) is (name in ("train/train", "release/release")), name
        assert all({"registry-login"} in targets_of_steps[:place] for place in published), name


def test_who_publishes_signs_for_an_environment_that_checks() -> None:
    """An image that is signed for nobody would be let in nowhere, and its tag would be taken."""
    for name, job in jobs():
        for run in (run for run in runs(job) if "publish" in called(run)):
            environment = re.search(r"\bENV=(\S+)", run)
            assert environment, (name, run)
            assert read_signers(ROOT / "k8s" / "envs" / environment[1]).signers, (name, run)


def test_no_workflow_approves_for_production() -> None:
    """Promoting signs with production's key, and is a person's act: no account of a workflow may."""
    assert "promote" not in {target for _, job in jobs() for run in runs(job) for target in called(run)}
    sizes = json.loads((ROOT / "terraform" / "envs" / "production" / "sizes.json").read_text(encoding="utf-8"))
    signing = re.search(r"\bsigns += toset\(setintersection\(keys\(var\.environments\), (\[.*?\])", _ACCOUNTS)
    assert signing
    assert not {*json.loads(signing[1])} & {*sizes["workflows"]}


def test_a_release_is_checked_against_its_tag_before_a_build() -> None:
    """A release is checked against its tag before anything is built."""
    first = runs(workflows()["release"]["jobs"]["release"])[0]
    assert called(first) == {"require", "release-version"}


def test_a_long_rollout_is_followed_with_tokens_that_renew() -> None:
    """A rollout may outlast a token, so its follower gets a new token when the first one ends."""
    job = workflows()["deploy"]["jobs"]["deploy"]
    assert job["timeout-minutes"] > 60
    given = {step["uses"].partition("@")[0].rpartition("/")[2]: step["with"] for step in job["steps"] if "uses" in step}
    assert given["get-gke-credentials"]["use_auth_provider"] is True
    assert given["setup-gcloud"] == {"install_components": "gke-gcloud-auth-plugin"}

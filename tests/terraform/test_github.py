"""The accounts that Terraform makes are those that the workflows name, each in its environment on GitHub."""

from __future__ import annotations

import json
import re

import yaml

from tests.github.workflows import FOLDER, jobs
from tests.repo.tree import ROOT

ENVIRONMENTS = ("staging", "production")
PLATFORM = (ROOT / "terraform" / "modules" / "platform" / "main.tf").read_text(encoding="utf-8")
HANDED = (ROOT / "terraform" / "modules" / "handover" / "outputs.tf").read_text(encoding="utf-8")


def made() -> set[tuple[str, str]]:
    """The environments on GitHub and the purposes of their accounts, as both environments of Terraform make them."""
    block = re.search(r"github_environments = \{\n(.*?)\n  \}", PLATFORM, re.DOTALL)
    assert block
    names = dict(re.findall(r'(\w+) += "?([\w.${}-]+)"?$', block[1], re.MULTILINE))
    wanted = {}
    for environment in ENVIRONMENTS:
        sizes = json.loads((ROOT / "terraform" / "envs" / environment / "sizes.json").read_text(encoding="utf-8"))
        wanted[environment] = sizes["workflows"]
    return {
        (re.sub(r"\$\{var\.environment\}|var\.environment", environment, names[purpose]), purpose)
        for environment, purposes in wanted.items()
        for purpose in purposes
    }


def named() -> set[tuple[str, str]]:
    """The same, as the jobs of the workflows name them."""
    pairs = set()
    for _, job in jobs():
        for purpose in re.findall(r"vars\.([A-Z]+)_SERVICE_ACCOUNT", yaml.safe_dump(job["steps"])):
            given = job["environment"]
            places = ENVIRONMENTS if "matrix." in given else (given,)
            pairs |= {(place, purpose.lower()) for place in places}
    return pairs


def test_each_account_of_a_workflow_is_made_and_no_other() -> None:
    assert named() == made()
    assert {purpose for _, purpose in made()} == {"training", "release", "deploy", "plan", "apply"}


def test_each_variable_is_handed_over_or_set_by_hand() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    by_hand = page.partition("Set by hand")[2].partition("\n\n")[0]
    known = set(re.findall(r"`([A-Z_]+)`", by_hand)) | set(re.findall(r"^ +([A-Z]+) += var\.", HANDED, re.MULTILINE))
    used = {name for path in FOLDER.glob("*.yml") for name in re.findall(r"vars\.(\w+)", path.read_text("utf-8"))}
    accounts = {f"{purpose.upper()}_SERVICE_ACCOUNT" for _, purpose in made()}
    assert used - accounts - known == {"WORKLOAD_IDENTITY_PROVIDER"}
    module = (ROOT / "terraform" / "modules" / "github" / "outputs.tf").read_text(encoding="utf-8")
    assert "WORKLOAD_IDENTITY_PROVIDER" in module

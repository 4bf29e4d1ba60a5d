"""Step: proposes a version for an environment by a commit in its Git repository.

This step serves nothing; the program that watches the repository does.
"""

import json
import tempfile
from pathlib import Path

from components.evaluation.result import Evaluation
from components.models.meter import metered
from components.models.usage import Usage
from components.registry.step_usage import add_usage
from components.releases.environment_repository import EnvironmentRepository, credentials_in
from components.releases.release_commit import commit_release
from components.releases.release_file import Release
from components.step import running, step
from components.store.reading import kept_document


@step
def release(
    service: str,
    code: str,
    repository: str,
    environment: str,
    settings: str,
    version: str,
    package: str,
    image_repository: str,
    image_tag: str,
    image_digest: str,
    image_usage: str,
    store: str,
    evaluation: str,
    mlflow: str,
    run_id: str,
) -> str:
    """Commits the version to the environment's repository; returns the commit, or "" if nothing is to be released.

    $GIT_USERNAME and $GIT_PASSWORD say who commits, where the repository asks for that. What `image` and this step used
    is added to `run_id`, the version's run in MLflow; `image` itself, which holds the key that signs, has no access.
    """
    with running(code), tempfile.TemporaryDirectory() as folder:
        used, commit = {"image": Usage.model_validate_json(image_usage)} if image_usage else {}, ""
        if repository:
            with metered() as meter:
                measured = kept_document(store, evaluation, Evaluation)
                where = EnvironmentRepository.of(repository, environment, credentials_in(Path(folder)))
                wanted = {"service": service, "version": version, "package": package, "settings": json.loads(settings)}
                if image_digest:
                    wanted["image"] = {"repository": image_repository, "tag": image_tag, "digest": image_digest}
                numbers = {name: interval.value for name, interval in measured.metrics.items()}
                done = commit_release(where, environment, Release.read(wanted, where.file(service)), numbers)
                print(done.says)
            used["release"], commit = meter.usage(), done.commit
        else:
            print("no environment repository, so nothing is released")
        add_usage(mlflow, run_id, used)
        return commit

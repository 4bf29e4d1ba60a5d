"""Step: proposes a version for an environment by a commit in its Git repository.

This step serves nothing; the program that watches the repository does.
"""

from kfp import dsl

from components.step import step


@step
def release(
    service: str,
    code: str,
    repository: str,
    environment: str,
    settings: str,
    version: str,
    package: str,
    evaluation: dsl.Input[dsl.Artifact],
) -> str:
    """Commits the version to the environment's repository; returns the commit, or "" without a repository."""
    import json
    from pathlib import Path

    from components.evaluation.result import Evaluation
    from components.git.repository import default_branch
    from components.releases.environment_repository import EnvironmentRepository
    from components.releases.release_commit import commit_release
    from components.releases.release_file import Release, environment_folder
    from components.step import running

    with running(code):
        if not repository:
            print("no environment repository, so nothing is released")
            return ""
        measured = Evaluation.model_validate_json(Path(evaluation.path).read_bytes())
        where = EnvironmentRepository(repository, default_branch(repository), environment_folder(environment))
        wanted = {"service": service, "version": version, "package": package, "settings": json.loads(settings)}
        numbers = {name: interval.value for name, interval in measured.metrics.items()}
        commit = commit_release(where, environment, Release.read(wanted, where.file(service)), numbers)
        print(f"commit {commit} in {repository}")
        return commit

"""The platform and a model as an earlier commit made them: its own programs and charts, run from an archive of it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from components.image.record import read_record
from components.releases.release_file import Image, release_text
from k8s.platform.chart import CHART, ROOT
from k8s.rendering.environment_files import ClusterRelease
from k8s.upgrade.preflight import chart_version
from services.image.engine import find_engine
from tests.e2e.scenario import build_image
from tests.made_before.versions import COMMIT, RECORDS, SPEC, digest_of

SERVICE: Final = "small"
#: The version of that commit's charts, which is the tag of its images that are in no registry.
VERSION: Final = "0.1.0"
#: Their locks, Debian packages and commands are the same at both commits: today's images have the older tag, too.
SAME: Final = ("mlflow", "stores")


@dataclass(frozen=True)
class Earlier:
    """An archive of that commit in a folder."""

    folder: Path

    @property
    def spec(self) -> Path:
        """The model's spec, with as many replicas always: what an autoscaler does is no harm, and looks like it."""
        document = yaml.safe_load(SPEC.read_text(encoding="utf-8")) | {"scale": {"min": 2, "max": 2}}
        file = self.folder / "steady.yaml"
        file.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return file

    @classmethod
    def unpacked(cls, folder: Path) -> Earlier:
        """The commit's files."""
        packed = subprocess.run(["git", "-C", str(ROOT), "archive", COMMIT], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return cls(folder)

    def run(self, module: str, *arguments: str) -> str:
        """What one of its programs says."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def build_platform(self) -> None:
        """Its judge by its own sources, and the other images of its chart."""
        self.run("services.image", "--component", "judge")
        for program in SAME:
            engine_tag(build_image(program), f"registry.local/canario/{program}:{VERSION}")
        assert chart_version(CHART) != VERSION, "the images of both commits would have the same names"

    def install(self) -> str:
        """Its own `make platform`."""
        return self.run("k8s.platform", "--env", "local", "--timeout-seconds", "600")

    def build_model(self, registry: str) -> Image:
        """Version 1 in its own server, in a registry."""
        what = ("--spec", str(SPEC), "--package", str(RECORDS / "1" / "package"))
        self.run("services.image", *what, "--name", f"{registry}/{SERVICE}")
        record = read_record(self.folder / "build" / "images" / f"{SERVICE}.json")
        name = f"{record.name}:{record.tag}"
        engine = find_engine(self.folder / "push.log").name
        subprocess.run([engine, "push", "--tls-verify=false", name], check=True, capture_output=True)
        return Image(repository=record.name, tag=record.tag)

    def deploy(self, image: Image) -> str:
        """Its own `make deploy` of version 1."""
        release = ClusterRelease(service=SERVICE, version="1", package=digest_of("1"), image=image)
        file = self.folder / "k8s" / "envs" / "local" / f"{SERVICE}.yaml"
        file.write_text(release_text(release), encoding="utf-8")
        return self.run("k8s.deploy", "--spec", str(self.spec), "--env", "local")


def engine_tag(image: str, other: str) -> None:
    """Gives an image of this machine's store another name, too."""
    engine = find_engine(Path(os.devnull)).name
    subprocess.run([engine, "tag", image, other], check=True, capture_output=True)

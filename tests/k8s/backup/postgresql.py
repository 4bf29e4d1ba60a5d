"""A real PostgreSQL and a folder of objects, and a kubectl that runs what it is to run in their pods."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.patience import patient
from tests.programs import program

#: Debian's place, which the image of the stores has, too.
BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
PASSWORD = "it's a $ecret"
#: PostgreSQL does not run as root.
USER = "postgres" if os.geteuid() == 0 else None


@dataclass(frozen=True)
class StorePods:
    """The two stores: the port of the database, and the folder that is /data of the objects."""

    port: int
    data: Path

    def sql(self, statement: str, database: str = "mlflow") -> list[str]:
        """The rows that a statement gives."""
        place = ["--host=127.0.0.1", f"--port={self.port}", "--username=mlflow", f"--dbname={database}"]
        command = ["psql", *place, "--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command"]
        environment = {**os.environ, "PGPASSWORD": PASSWORD, "PATH": f"{BIN}:{os.environ['PATH']}"}
        done = subprocess.run([*command, statement], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def kubectl(self, folder: Path) -> None:
        """Writes a kubectl that answers for the pods of these stores, and notes what it is told in `told`."""
        secret = json.dumps({"data": {"PGPASSWORD": base64.b64encode(PASSWORD.encode()).decode()}})
        (folder / "secret.json").write_text(secret)
        # The server's own process is not this test's.
        here = f"sed -e 's#/data/#{self.data}/#g' -e 's#^kill -TERM 1#touch {folder}/restarted#'"
        script = [
            f'printf "%s\\n" "$*" >> {folder}/told',
            "for last; do :; done",
            'case "$*" in',
            f"  *' get secret '*) cat {folder}/secret.json ;;",
            f'  *" exec "*) PGPORT={self.port} exec bash -euo pipefail -c "$(printf %s "$last" | {here})" ;;',
            "esac",
        ]
        program(folder, "kubectl", "\n".join(script))


@contextmanager
def store_pods() -> Iterator[StorePods]:
    """Both stores with nothing in them, as the chart's pods make them, as long as a `with` lasts."""
    assert BIN is not None
    # Below no folder that only this user may enter.
    folder = Path(tempfile.mkdtemp(prefix="canario-stores-"))
    folder.chmod(0o755)
    database, words = folder / "database", folder / "password"
    words.write_text(PASSWORD)
    (folder / "data" / "buckets").mkdir(parents=True)
    database.mkdir()
    if USER:
        shutil.chown(database, USER)
        shutil.chown(words, USER)
    make = ["--username=mlflow", f"--pwfile={words}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
    subprocess.run(
        [BIN / "initdb", f"--pgdata={database}", "--no-sync", *make], user=USER, check=True, capture_output=True
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    settings = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "fsync=off"]
    command = [str(BIN / "postgres"), "-D", str(database), *(word for one in settings for word in ("-c", one))]
    with subprocess.Popen(command, user=USER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait = [str(BIN / "pg_isready"), "--host=127.0.0.1", f"--port={port}", "--timeout=1"]
            for _ in range(int(patient(30))):
                if subprocess.run(wait, capture_output=True, check=False).returncode == 0:
                    break
            pods = StorePods(port, folder / "data")
            pods.sql("CREATE DATABASE mlflow", "postgres")
            yield pods
        finally:
            server.terminate()
            server.wait()
            shutil.rmtree(folder)

"""The platform's own PostgreSQL and object store: read whole, and replaced whole."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

from k8s.cluster.kubectl import get_json, is_there
from k8s.cluster.pod import Container
from k8s.errors import ClusterError

#: MLflow's secret, with the database's password.
_HELD_BY: Final = "mlflow"
#: What every script about the database begins with: its programs, and its password, which is the first line of input.
_DATABASE: Final = """
read -r PGPASSWORD
export PGPASSWORD PGHOST=127.0.0.1 PGUSER=mlflow PGOPTIONS="-c client_min_messages=warning"
PATH="$(echo /usr/lib/postgresql/*/bin):$PATH"
"""
_DUMP: Final = _DATABASE + "exec pg_dump --format=custom --dbname=mlflow\n"
#: Restored beside the present database, which then steps aside in one transaction.
_SWAP: Final = r"""
ask() { psql --dbname=postgres --no-psqlrc --quiet --tuples-only --output=/dev/null --set=ON_ERROR_STOP=1; }
ask <<< 'DROP DATABASE IF EXISTS mlflow_restored WITH (FORCE);
CREATE DATABASE mlflow_restored;'
pg_restore --exit-on-error --single-transaction --no-owner --dbname=mlflow_restored
ask <<'SQL'
SELECT 'DROP DATABASE IF EXISTS mlflow_before WITH (FORCE)'
  WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'mlflow') \gexec
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'mlflow';
BEGIN;
SELECT 'ALTER DATABASE mlflow RENAME TO mlflow_before'
  WHERE EXISTS (SELECT FROM pg_database WHERE datname = 'mlflow') \gexec
ALTER DATABASE mlflow_restored RENAME TO mlflow;
COMMIT;
SQL
"""
_RESTORE: Final = _DATABASE + _SWAP
#: GNU tar ends with 1 where a file grew meanwhile; artifacts are written once, and before the row that names them.
_ARCHIVE: Final = "tar --create --gzip --directory=/data/buckets . || [ $? = 1 ]\n"
#: Compressed, because tar alone takes an archive that ends too early for a whole one.
#: The server holds what it read in memory, so it starts again; in the same pod, whose volume may be the pod's own.
_UNPACK: Final = """
rm -rf /data/restored
mkdir /data/restored
tar --extract --gzip --directory=/data/restored
if [ -d /data/buckets ]; then rm -rf /data/before; mv /data/buckets /data/before; fi
mv /data/restored /data/buckets
kill -TERM 1
"""


class Stores:
    """The stores of the chart canario in its namespace."""

    def __init__(self, namespace: str) -> None:
        """`namespace` is that of the chart."""
        self._namespace = namespace
        self._database = Container(namespace, "postgresql-0", "postgresql")
        self._objects = Container(namespace, "object-store-0", "object-store")

    def are_there(self) -> bool:
        """Whether MLflow keeps what it has in the platform's own stores."""
        return is_there("-n", self._namespace, "get", "statefulset", "postgresql")

    def dump_database(self, file: Path) -> None:
        """Writes MLflow's database, as of one moment, in PostgreSQL's own format."""
        self._database.script(_DUMP, first_line=self._password(), to=file)

    def archive_objects(self, file: Path) -> None:
        """Writes every bucket as a compressed tar archive."""
        self._objects.script(_ARCHIVE, to=file)

    def restore_database(self, file: Path) -> None:
        """Replaces MLflow's database by a dump; the one before stays as `mlflow_before` until the next time.

        Raises:
            ClusterError: the dump cannot be restored; the present database is then unchanged.
        """
        self._database.script(_RESTORE, first_line=self._password(), given=file)

    def restore_objects(self, file: Path) -> None:
        """Replaces every bucket by those of an archive; those before stay in /data/before until the next time.

        Raises:
            ClusterError: the archive cannot be unpacked; the present buckets are then unchanged.
        """
        self._objects.script(_UNPACK, given=file)

    def _password(self) -> str:
        found = get_json("-n", self._namespace, "get", "secret", _HELD_BY, "--ignore-not-found").get("data", {})
        if "PGPASSWORD" not in found:
            raise ClusterError(f"secret {_HELD_BY} in namespace {self._namespace} has no PGPASSWORD")
        return base64.b64decode(found["PGPASSWORD"]).decode()

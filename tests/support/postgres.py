"""A PostgreSQL server for one test, in a temporary folder and on a free port. Where the tests run
as root, its programs run as another user: PostgreSQL refuses root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import free_port

PLACES = ["", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)]


def program(name: str) -> str | None:
    return next(
        (found for place in PLACES if (found := shutil.which(name, path=place or None))), None
    )


def available() -> bool:
    """Whether PostgreSQL's programs are installed, and there is a user to run them as."""
    return bool(program("initdb") and program("pg_ctl")) and (
        os.geteuid() != 0 or _user() is not None
    )


def _user() -> str | None:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


@contextmanager
def server(password: str = "") -> Iterator[str]:
    """The URI of a server without the name of a database; there is an empty one, `postgres`. With a
    `password`, every connection has to give it."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="postgres-") as scratch:
        folder = Path(scratch)
        lead: list[str] = []
        if os.geteuid() == 0:
            user = _user()
            assert user is not None
            shutil.chown(folder, user)
            lead = ["runuser", "-u", user, "--"]
        folder.chmod(0o755)
        data = folder / "data"

        def run(*command: str) -> None:
            subprocess.run([*lead, *command], check=True, stdout=subprocess.DEVNULL, cwd="/tmp")

        port = free_port()
        auth = ["-A", "trust"]
        if password:
            (folder / "password").write_text(password)
            auth = ["-A", "scram-sha-256", f"--pwfile={folder / 'password'}"]
        where = ("-D", str(data))
        run(
            str(program("initdb")),
            *where,
            "-U",
            "speechclean",
            *auth,
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        )
        options = (
            f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c "
            "shared_buffers=16MB -c max_connections=100"
        )
        run(str(program("pg_ctl")), *where, "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql://speechclean{':' + password if password else ''}@127.0.0.1:{port}"
        finally:
            run(str(program("pg_ctl")), *where, "-m", "immediate", "stop")

"""A PostgreSQL server of the tests' own: made in a temporary folder, spoken to by its socket."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; Debian puts them outside the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, default=None)


def _version(folder: Path) -> float:
    name = folder.parent.name
    return float(name) if name.replace(".", "").isdigit() else 0.0


@contextmanager
def server(programs: Path) -> Iterator["Server"]:
    """Starts a server, and stops it and removes its folder at the end."""
    # pytest's own folder may be closed to the user that the server runs as, or too long for a
    # socket's name.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    started = Server(programs, folder)
    try:
        started.make()
        started.start()
        try:
            yield started
        finally:
            started.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """One server; no other can reach it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.user: dict[str, str | int] = {}
        if os.geteuid() == 0:  # which the server refuses to run as
            nobody = _account("postgres", "nobody")
            shutil.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
        folder.chmod(0o755)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg:///{database}?host={self.folder}&user=ledger"

    def make(self) -> None:
        options = ["--username=ledger", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        self._run("initdb", "--no-sync", *options)

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, how: str) -> None:
        self._run("pg_ctl", "-w", "-m", how, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        ended = subprocess.run(
            [str(self.programs / program), "-D", str(self.folder / "data"), *arguments],
            **self.user,
            cwd=self.folder,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        log = self.folder / "log"
        said = ended.stdout or (log.read_bytes() if log.exists() else b"")
        assert ended.returncode == 0, f"{program}: {said.decode(errors='replace')[-2000:]}"


def _account(*names: str) -> pwd.struct_passwd:
    there = {account.pw_name: account for account in pwd.getpwall()}
    return next(there[name] for name in names if name in there)

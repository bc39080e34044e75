"""A PostgreSQL cluster of one's own for a while, from the machine's PostgreSQL package.

It lies below a directory that the caller owns and ends when the caller calls ``stop`` or dies. Nothing in it is
worth keeping, so nothing is synchronised to the disk.
"""

import fcntl
import os
import secrets
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

__all__ = ["ensure", "stop"]

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "listen_addresses": "127.0.0.1",
}


def ensure(root: Path, owner: int) -> str:
    """The address of the cluster below ``root``, started by whoever asks first.

    ``owner`` is the process whose end ends the cluster. Raises RuntimeError when PostgreSQL is not installed or
    does not start.
    """
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        url = root / "url"
        if not url.exists():
            url.write_text(_start(root, owner))
        return url.read_text()


def stop(root: Path) -> None:
    """End the cluster below ``root``, if there is one, and remove ``root``."""
    if (root / "url").exists():
        _run(root, "pg_ctl", "stop", "--mode=immediate", "--silent", f"--pgdata={root}/cluster/data")
    shutil.rmtree(root, ignore_errors=True)


def _start(root: Path, owner: int) -> str:
    root.chmod(0o755)  # PostgreSQL runs as another user when we are root, and has to get at what is below
    cluster, password = root / "cluster", secrets.token_urlsafe(16)
    cluster.mkdir(mode=0o700)
    (cluster / "password").write_text(password)
    if os.geteuid() == 0:
        for path in (cluster, cluster / "password"):
            shutil.chown(path, "postgres", "postgres")
    _run(
        root, "initdb", f"--pgdata={cluster}/data", f"--pwfile={cluster}/password", "--username=postgres",
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
    )  # fmt: skip
    port = _free_port()
    options = {**SETTINGS, "port": str(port), "unix_socket_directories": str(cluster)}
    _run(
        root, "pg_ctl", "start", "--wait", "--silent", f"--pgdata={cluster}/data", f"--log={cluster}/log",
        f"--options={' '.join(f'-c {name}={shlex.quote(value)}' for name, value in options.items())}",
    )  # fmt: skip
    _stop_with(owner, root)
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"


def _run(root: Path, program: str, *arguments: str) -> None:
    done = subprocess.run(
        _command(program, *arguments),
        cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        log = root / "cluster" / "log"
        raise RuntimeError(f"{program} failed: {done.stdout}\n{log.read_text() if log.exists() else ''}")


def _command(program: str, *arguments: str) -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as the user that its package makes."""
    command = [str(_binaries() / program), *arguments]
    if os.geteuid() == 0:
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
    return command


def _binaries() -> Path:
    """The newest installed version; Debian keeps the programs off the path."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError("PostgreSQL is not installed: scripts/debian-packages installs it")
    return Path(found).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stop_with(owner: int, root: Path) -> None:
    """Leave a shell behind that ends the cluster if ``owner`` is killed before it can call ``stop``."""
    end = shlex.join(
        _command("pg_ctl", "stop", "--mode=immediate", "--silent", f"--pgdata={root}/cluster/data")
    )
    watch = f"while kill -0 {owner} 2>/dev/null; do sleep 1; done; test -d {shlex.quote(str(root))} || exit 0; {end}"
    subprocess.run(
        ["sh", "-c", f"({watch}; rm -rf {shlex.quote(str(root))}) >/dev/null 2>&1 &"],
        cwd="/", stdin=subprocess.DEVNULL, start_new_session=True, check=True,
    )  # fmt: skip

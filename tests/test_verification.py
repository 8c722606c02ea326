"""A site that somebody tampered with: every change is found and named, and nothing is found where
nothing is wrong.
"""

import gzip
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pysequoia
import pytest
from forged_metadata import vouch
from made_keys import development, following, made
from pysequoia.packet import PacketPile, Tag

from kubewright import files
from kubewright.cli import main
from kubewright.cli.shipped import shipped
from kubewright.clients.server import serve
from kubewright.errors import RequestError, UpstreamUnreachable, VerificationFailed
from kubewright.models.base import DAY, Arch
from kubewright.models.manifest import Manifest
from kubewright.models.report import Publication
from kubewright.models.site import Channel, Copy, Index, Pointer, State
from kubewright.printable import LONGEST, printable, printable_json
from kubewright.settings import Settings
from kubewright.signing import cosign, openpgp, provenance
from kubewright.signing.roles import Keys
from kubewright.signing.verify import lifetimes
from kubewright.site import backups, layout
from kubewright.site.objects import Object
from kubewright.stages import channels, publish, release, verify
from kubewright.verification import Demands, Directory, Finding, Report, Web
from kubewright.verification import verify as verified
from kubewright.verification.source import Opened
from kubewright.verification.steady import AT_ONCE
from kubewright.web import WebFiles
from kubewright.workspace import Workspace

NOW = 1_790_000_000
URL = "http://127.0.0.1:8080"
NAME = "v1.36.4-1"
CHANNEL = "stable-1.36"
SUITE, YUM = f"apt/dists/{CHANNEL}", f"yum/{CHANNEL}/x86_64"
PACKAGES = "main/binary-amd64/Packages"
MANIFEST = f"releases/{NAME}/manifest.json"
PROVENANCE = f"releases/{NAME}/provenance/release.intoto.jsonl"
SUMS = f"releases/{NAME}/SHA256SUMS"
ARCHIVE = f"releases/{NAME}/images/hyperkube-v1.36.4-linux-amd64.tar"


class Past(NamedTuple):
    """A site after each of its publications, the keys that signed it, and a stranger's keys."""

    sites: tuple[Path, Path, Path]
    settings: Settings
    keys: Keys
    stranger: Keys


@pytest.fixture(scope="module")
def past(sample_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """1.36.4 everywhere, then 1.36.3 in one channel beside it, then that channel rolled back."""
    home = tmp_path_factory.mktemp("verification")
    keys, stranger = development(NOW), made(home / "keys", "Stranger", now=NOW)
    settings = Settings(
        upstream=str(sample_mirror),
        dist=home / "dist",
        cache=home / "cache",
        site=str(home / "site"),
        now=NOW,
        architectures=(Arch.amd64,),
        jobs=2,
        url=URL,
        allow_development=True,
    )
    release.release("v1.36.4", settings, shipped(), keys)
    linked(home / "site", home / "1")
    second = settings.model_copy(update={"now": NOW + 60, "channels": (CHANNEL,)})
    release.release("v1.36.3", second, shipped(), keys)
    linked(home / "site", home / "2")
    channels.rollback(
        CHANNEL, settings.model_copy(update={"now": NOW + 120}), shipped(), keys, None
    )
    return Past((home / "1", home / "2", home / "site"), settings, keys, stranger)


def linked(source: Path, target: Path) -> None:
    """A copy that costs nothing: whoever changes a file in it writes a new one."""
    shutil.copytree(source, target, copy_function=os.link)


def object_bytes(item: Object) -> bytes:
    assert isinstance(item.content, bytes)
    return item.content


@dataclass
class Site:
    """A site to tamper with, by somebody who may have the keys."""

    root: Path
    past: Past

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        self.delete(path)
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def delete(self, *paths: str | Path) -> None:
        for path in paths:
            (self.root / path).unlink(missing_ok=True)

    def restore(self, publication: int, *paths: str) -> None:
        """Put back what was there after an earlier publication."""
        for path in paths:
            shutil.rmtree(self.root / path) if (self.root / path).is_dir() else self.delete(path)
            old = self.past.sites[publication - 1] / path
            linked(old, self.root / path) if old.is_dir() else os.link(old, self.root / path)

    def asc(self, data: bytes) -> bytes:
        return self.past.keys.repo.armored_detached(data, NOW)

    def sign(self, path: str, data: bytes) -> None:
        """Write a document with both its signatures."""
        self.write(path, data)
        self.write(f"{path}.asc", self.asc(data))
        self.write(f"{path}.sig", self.past.keys.artifact.sign(data))

    def state(self) -> State:
        return State.read(self.read(layout.STATE), layout.STATE)

    def publish(self, **changes: object) -> None:
        """Put a changed state under the same number in the place of the present one."""
        state = self.state().model_copy(update=changes)
        data = state.to_bytes()
        path = layout.state_copy(state.number, files.sha256(data))
        self.sign(path, data)
        copies = {path: data}
        for name, copy in state.channels.items():
            place = layout.channel_copy(name, copy.sequence, copy.sha256)
            copies[place] = self.read(place)
        self.write(layout.backup_copy(path), object_bytes(backups.backup(path, copies)))
        self.write(layout.STATE, data)
        vouch(self.root, self.past.keys, data, now=NOW)

    def publish_channel(self, name: str, record: bytes) -> None:
        """Publish other bytes as a channel's record under the same number."""
        sequence = json.loads(record)["sequence"]
        digest = files.sha256(record)
        self.write(f"channels/{name}.json", record)
        self.sign(layout.channel_copy(name, sequence, digest), record)
        copy = Copy(sequence=sequence, sha256=digest)
        self.publish(channels={**self.state().channels, name: copy})

    def publish_index(self, index: bytes) -> None:
        """Publish other bytes as the index under the same number."""
        sequence, digest = json.loads(index)["sequence"], files.sha256(index)
        self.write(layout.INDEX, index)
        self.sign(layout.index_copy(sequence, digest), index)
        self.publish(index=Copy(sequence=sequence, sha256=digest))

    def publish_files(self) -> None:
        """Let the state name what lies now where it names files."""
        known = dict(self.state().files)
        for path in (self.root / "keys/history").iterdir():
            known[f"keys/history/{path.name}"] = ""
        self.publish(files={path: files.sha256(self.read(path)) for path in known})

    def channel(self, **changes: object) -> None:
        """Publish a changed record of the channel under the same number."""
        record = self.record().model_copy(update=changes)
        self.publish_channel(CHANNEL, record.to_bytes())

    def record(self) -> Channel:
        return Channel.from_bytes(self.read(f"channels/{CHANNEL}.json"))

    def suite(self, change: Callable[[bytes], bytes]) -> None:
        """Change Release and sign it again."""
        text = change(self.read(f"{SUITE}/Release"))
        self.write(f"{SUITE}/Release", text)
        self.write(f"{SUITE}/Release.gpg", self.asc(text))
        self.write(f"{SUITE}/InRelease", self.past.keys.repo.clearsign(text, NOW))
        self.channel(suite=files.sha256(text))

    def repomd(self, change: Callable[[bytes], bytes]) -> None:
        """Change repomd.xml and sign it again."""
        data = change(self.read(f"{YUM}/repodata/repomd.xml"))
        self.write(f"{YUM}/repodata/repomd.xml", data)
        self.write(f"{YUM}/repodata/repomd.xml.asc", self.asc(data))

    def manifest(self) -> Manifest:
        return Manifest.from_bytes(self.read(MANIFEST))

    def release(self, **changes: object) -> None:
        """Publish a changed manifest under the same name: everything that leads to it is signed
        again.
        """
        data = self.manifest().model_copy(update=changes).to_bytes()
        old, new = files.sha256(self.read(MANIFEST)), files.sha256(data)
        self.sign(MANIFEST, data)
        for path in sorted((self.root / "channels").glob("*.json")):
            text = path.read_bytes().replace(old.encode(), new.encode())
            self.publish_channel(path.stem, text)
        self.publish_index(self.read(layout.INDEX).replace(old.encode(), new.encode()))

    def file(self, url: str, data: bytes | None) -> None:
        """Replace a file of the release, or leave it out (None), so that the manifest agrees."""
        kept = [one for one in self.manifest().artifacts if one.url != url or data is not None]
        if data is not None:
            self.write(url, data)
        self.release(
            artifacts=tuple(
                one.model_copy(update={"size": len(data), "sha256": files.sha256(data)})
                if one.url == url and data is not None else one
                for one in kept
            )
        )  # fmt: skip

    def verified(self, *trusted: bytes) -> Report:
        return verify.verify(str(self.root), trusted, now=NOW + 200)

    def found(self, *trusted: bytes) -> list[str]:
        return [f"{one.place}: {one.problem}" for one in self.verified(*trusted).findings]


@pytest.fixture
def site(past: Past, tmp_path: Path) -> Site:
    linked(past.sites[2], tmp_path / "site")
    return Site(tmp_path / "site", past)


Tampering = Callable[[Site], None]
Case = tuple[Tampering, str, str]
"""What somebody does, and where the finding then begins and what it says."""


def steps(*several: Tampering) -> Tampering:
    def tamper(site: Site) -> None:
        for one in several:
            one(site)

    return tamper


def test_a_sound_site_has_no_findings(past: Past) -> None:
    for root in past.sites:
        report = Site(root, past).verified()
        assert report.findings == ()
        assert report.checked > 300


def test_a_sound_site_has_no_findings_over_http(past: Past) -> None:
    with serve(past.sites[2]) as url:
        report = verify.verify(url, [], Demands(url=URL), now=NOW)
    assert report.findings == ()
    assert report.releases == ("v1.36.4-1", "v1.36.3-1")


def strangers_keyring(site: Site) -> bytes:
    return site.past.stranger.repo.certificate


def with_more_keys(site: Site) -> None:
    """All files of keys agree that a stranger's keys are this site's too."""
    repo, artifact = site.past.stranger.repo, site.past.stranger.artifact
    site.write("keys/kubewright.gpg", site.read("keys/kubewright.gpg") + repo.certificate)
    site.write("keys/kubewright.asc", site.read("keys/kubewright.asc") + repo.armored.encode())
    site.write("keys/kubewright.pub", site.read("keys/kubewright.pub") + artifact.public_pem)
    site.write(f"keys/history/{repo.fingerprint}.asc", repo.armored.encode())
    site.write(f"keys/history/{artifact.key_id}.pub", artifact.public_pem)


def history(site: Site, ending: str) -> str:
    keys = site.past.keys
    return layout.key_history(
        f"{keys.repo.fingerprint if ending == 'asc' else keys.artifact.key_id}.{ending}"
    )


KEYS: dict[str, Case] = {
    "armored keys replaced": (
        lambda site: site.write("keys/kubewright.asc", site.past.stranger.repo.armored.encode()),
        "keys/kubewright.asc",
        "holds other keys than keys/kubewright.gpg",
    ),
    "armored key added": (
        lambda site: site.write(
            "keys/kubewright.asc",
            site.read("keys/kubewright.asc") + site.past.stranger.repo.armored.encode(),
        ),
        "keys/kubewright.asc",
        "holds other keys than keys/kubewright.gpg",
    ),
    "text beside armored keys": (
        lambda site: site.write("keys/kubewright.asc", site.read("keys/kubewright.asc") + b"more"),
        "keys/kubewright.asc",
        "not just armored public keys",
    ),
    "armored keys missing": (
        lambda site: site.delete("keys/kubewright.asc"),
        "keys/kubewright.asc",
        "missing",
    ),
    "keyring replaced": (
        lambda site: site.write("keys/kubewright.gpg", strangers_keyring(site)),
        f"channels/{CHANNEL}.json",
        "but the first in keys/kubewright.gpg is",
    ),
    "keyring of nothing": (
        lambda site: site.write("keys/kubewright.gpg", b"<html>"),
        "keys/kubewright.gpg",
        "not an OpenPGP keyring",
    ),
    "keyring empty": (
        lambda site: site.write("keys/kubewright.gpg", b""),
        "keys/kubewright.gpg",
        "holds no public key",
    ),
    "keyring armored": (
        lambda site: site.write("keys/kubewright.gpg", site.read("keys/kubewright.asc")),
        "keys/kubewright.gpg",
        "armored, but apt",
    ),
    "keyring missing": (
        lambda site: site.delete("keys/kubewright.gpg"),
        "keys/kubewright.gpg",
        "missing",
    ),
    "artifact key replaced": (
        lambda site: site.write("keys/kubewright.pub", site.past.stranger.artifact.public_pem),
        MANIFEST,
        "names the key",
    ),
    "artifact key of nothing": (
        lambda site: site.write("keys/kubewright.pub", b"key"),
        "keys/kubewright.pub",
        "not just public keys in PEM",
    ),
    "artifact key missing": (
        lambda site: site.delete("keys/kubewright.pub"),
        "keys/kubewright.pub",
        "missing",
    ),
    "history of the artifact key replaced": (
        lambda site: site.write(history(site, "pub"), site.past.stranger.artifact.public_pem),
        "keys/history/",
        "does not hold this key",
    ),
    "history of the repository key replaced": (
        lambda site: site.write(history(site, "asc"), site.past.stranger.repo.armored.encode()),
        "keys/history/",
        "does not hold this key",
    ),
    "history of the repository key missing": (
        lambda site: site.delete(history(site, "asc")),
        "keys/history/",
        "missing",
    ),
    "repomd.xml.key replaced": (
        lambda site: site.write(
            f"{YUM}/repodata/repomd.xml.key", site.past.stranger.repo.armored.encode()
        ),
        f"{YUM}/repodata/repomd.xml.key",
        "no key of this site",
    ),
    "repomd.xml.key missing": (
        lambda site: site.delete(f"{YUM}/repodata/repomd.xml.key"),
        f"{YUM}/repodata/repomd.xml.key",
        "missing",
    ),
    "repomd.xml.key without the signer": (
        steps(
            with_more_keys,
            lambda site: site.write(
                f"{YUM}/repodata/repomd.xml.key", site.past.stranger.repo.armored.encode()
            ),
        ),
        f"{YUM}/repodata/repomd.xml.key",
        ", which signed",
    ),
    "page with a script": (
        lambda site: site.write(
            "index.html", site.read("index.html").replace(b"</body>", b"<script></script></body>")
        ),
        "index.html",
        "its SHA-256 is not the one that the site names",
    ),
    "page missing": (lambda site: site.delete("index.html"), "index.html", "missing"),
    "schema changed": (
        lambda site: site.write("schemas/channel.json", b"{}\n"),
        "schemas/channel.json",
        "its SHA-256 is not the one that the site names",
    ),
    "schema missing": (
        lambda site: site.delete("schemas/index.json"),
        "schemas/index.json",
        "missing",
    ),
}


def another_gz(site: Site) -> None:
    """A packed index that lists nothing, while the plain one lists everything."""
    old, new = site.read(f"{SUITE}/{PACKAGES}.gz"), zlib.compress(b"", wbits=31)
    site.write(f"{SUITE}/{PACKAGES}.gz", new)
    site.write(f"{SUITE}/main/binary-amd64/by-hash/SHA256/{files.sha256(new)}", new)
    before = f"{files.sha256(old)} {len(old):>9} {PACKAGES}.gz".encode()
    site.suite(
        lambda text: text.replace(
            before, f"{files.sha256(new)} {len(new):>9} {PACKAGES}.gz".encode()
        )
    )


def another_snapshot(site: Site) -> None:
    """The present snapshot under a name that is not its own."""
    line = site.read(f"{YUM}/mirrorlist").decode()
    name = line.rstrip("/\n").rpartition("/")[2]
    folder = site.root / "yum/snapshots" / CHANNEL / "x86_64"
    linked(folder / name, folder / ("0" * 16))
    site.write(f"{YUM}/mirrorlist", line.replace(name, "0" * 16).encode())


def snapshot_with_key_of_a_stranger(site: Site) -> None:
    path = site.read(f"{YUM}/mirrorlist").decode().strip().removeprefix(f"{URL}/")
    site.write(f"{path}repodata/repomd.xml.key", site.past.stranger.repo.armored.encode())


REPOSITORIES: dict[str, Case] = {
    "suite of the time before a rollback": (
        lambda site: site.restore(2, SUITE),
        f"{SUITE}/{PACKAGES}",
        "lists apt/pool/main/k/kube-apiserver/kube-apiserver_1.36.3",
    ),
    "date of the time before a rollback": (
        lambda site: site.restore(2, SUITE),
        f"{SUITE}/InRelease",
        "Date is ",
    ),
    "repositories of the time before a rollback": (
        lambda site: site.restore(2, f"yum/{CHANNEL}"),
        f"{YUM}/repodata/repomd.xml",
        "is not of when the channel's",
    ),
    "repositories that list too much": (
        lambda site: site.restore(2, f"yum/{CHANNEL}"),
        f"{YUM}/repodata/",
        "lists yum/pool/kube-apiserver-1.36.3",
    ),
    "mirrorlist of the time before a rollback": (
        lambda site: site.restore(2, f"{YUM}/mirrorlist"),
        f"{YUM}/mirrorlist",
        ", not yum/snapshots/",
    ),
    "mirrorlist of another site": (
        lambda site: site.write(
            f"{YUM}/mirrorlist", site.read(f"{YUM}/mirrorlist").replace(b"127", b"128")
        ),
        f"{YUM}/mirrorlist",
        ", not yum/snapshots/",
    ),
    "mirrorlist with two lines": (
        lambda site: site.write(
            f"{YUM}/mirrorlist", site.read(f"{YUM}/mirrorlist") + b"http://example.org/\n"
        ),
        f"{YUM}/mirrorlist",
        ", not yum/snapshots/",
    ),
    "mirrorlist of another channel": (
        lambda site: site.write(f"{YUM}/mirrorlist", site.read("yum/stable/x86_64/mirrorlist")),
        f"{YUM}/mirrorlist",
        ", not yum/snapshots/",
    ),
    "mirrorlist missing": (
        lambda site: site.delete(f"{YUM}/mirrorlist"),
        f"{YUM}/mirrorlist",
        "missing",
    ),
    "mirrorlist where no URL is fixed": (
        lambda site: site.channel(url=""),
        f"{YUM}/mirrorlist",
        "although the channel has no URL",
    ),
    "snapshot under another name": (another_snapshot, f"{YUM}/mirrorlist", ", not yum/snapshots/"),
    "snapshot with a stranger's key": (
        snapshot_with_key_of_a_stranger,
        f"yum/snapshots/{CHANNEL}/x86_64/",
        "no key of this site",
    ),
    "suite of another channel": (
        steps(
            lambda site: shutil.rmtree(site.root / SUITE),
            lambda site: linked(site.root / "apt/dists/stable", site.root / SUITE),
        ),
        f"{SUITE}/InRelease",
        "is the suite stable",
    ),
    "suite that ends when the record does not": (
        lambda site: site.suite(
            lambda text: text.replace(
                b"Acquire", b"Valid-Until: Fri, 01 Jan 2027 00:00:00 UTC\nAcquire"
            )
        ),
        f"{SUITE}/InRelease",
        "Valid-Until is Fri, 01 Jan 2027",
    ),
    "record that ends when the suite does not": (
        lambda site: site.channel(valid_until=NOW + 9999),
        f"{SUITE}/InRelease",
        "Valid-Until is None",
    ),
    "suite that expired": (
        lambda site: site.suite(
            lambda text: text.replace(
                b"Acquire", b"Valid-Until: Fri, 02 Jan 2026 00:00:00 UTC\nAcquire"
            )
        ),
        f"{SUITE}/InRelease",
        "expired at Fri, 02 Jan 2026 00:00:00 UTC; run `kubewright refresh`",
    ),
    "suite without an architecture": (
        lambda site: site.suite(lambda text: re.sub(rb".* main/binary-amd64/.*\n", b"", text)),
        f"{SUITE}/InRelease",
        "lacks main/binary-amd64/Packages",
    ),
    "suite with another index": (
        lambda site: site.suite(
            lambda text: text + b" " + b"0" * 64 + b" 1 main/binary-i386/Packages\n"
        ),
        f"{SUITE}/InRelease",
        "lists main/binary-i386/Packages",
    ),
    "packed index that says something else": (
        another_gz,
        f"{SUITE}/{PACKAGES}.gz",
        "unpacks to something else",
    ),
    "InRelease damaged and an index missing": (
        steps(
            lambda site: site.write(f"{SUITE}/InRelease", b"x"),
            lambda site: site.delete(f"{SUITE}/{PACKAGES}"),
        ),
        f"{SUITE}/{PACKAGES}",
        "missing",
    ),
    "signature damaged and an index missing": (
        steps(
            lambda site: site.write(f"{YUM}/repodata/repomd.xml.asc", b"x"),
            lambda site: site.delete(*(site.root / YUM / "repodata").glob("*-filelists.xml.gz")),
        ),
        f"{YUM}/repodata/",
        "-filelists.xml.gz: missing",
    ),
    "repomd.xml with entities": (
        lambda site: site.repomd(
            lambda data: data.replace(b"<repomd", b'<!DOCTYPE a [<!ENTITY b "b">]>\n<repomd', 1)
        ),
        f"{YUM}/repodata/repomd.xml",
        "XML with declarations",
    ),
    "repomd.xml without a file": (
        lambda site: site.repomd(lambda data: data.replace(b'type="other"', b'type="updateinfo"')),
        f"{YUM}/repodata/repomd.xml",
        "lists filelists, primary, updateinfo",
    ),
    "package of the plain repository missing": (
        lambda site: site.delete(f"{YUM}/Packages/kubelet-1.36.4-1.x86_64.rpm"),
        f"{YUM}/Packages/kubelet-1.36.4-1.x86_64.rpm",
        "missing",
    ),
}


def replay(site: Site) -> None:
    """Everything that may change is as it was after publication 2; publications/ is as it is."""
    site.restore(2, "channels", "releases/index.json", "apt/dists", "index.html", f"yum/{CHANNEL}")


def copies(folder: str, number: int) -> str:
    """Where the copy of a document with a number lies, as a pattern."""
    return f"publications/{folder}/{number}-*.json"


def first(site: Site, pattern: str) -> str:
    """The one path below a site that a pattern means."""
    (path,) = (path for path in site.root.glob(pattern) if not path.name.endswith("backup.json"))
    return path.relative_to(site.root).as_posix()


def backup(site: Site) -> str:
    """The backup beside the first state."""
    (path,) = site.root.glob("publications/site/1-*.backup.json")
    return path.relative_to(site.root).as_posix()


def present_copy(site: Site) -> str:
    """The copy of the present state."""
    data = site.read(layout.STATE)
    return layout.state_copy(site.state().number, files.sha256(data))


FIRST, SECOND = copies(f"channels/{CHANNEL}", 1), copies(f"channels/{CHANNEL}", 2)

PUBLICATIONS: dict[str, Case] = {
    "everything put back but the pointer": (
        replay,
        f"channels/{CHANNEL}.json",
        "differs from publications/channels/",
    ),
    "index put back": (replay, "releases/index.json", "differs from publications/index/3-"),
    "pointer lost": (
        lambda site: site.delete(layout.TIMESTAMP),
        layout.TIMESTAMP,
        "missing; run `kubewright repair`",
    ),
    "pointer to nowhere": (
        lambda site: site.write(layout.TIMESTAMP, Pointer(number=3, sha256="0" * 64).to_bytes()),
        "publications/site/",
        "missing",
    ),
    "first index replaced": (
        lambda site: site.write(first(site, copies("index", 1)), b"{}"),
        "publications/index/1-",
        "its SHA-256 is not the one that the site names",
    ),
    "signature of the first index missing": (
        lambda site: site.delete(f"{first(site, copies('index', 1))}.asc"),
        "publications/index/1-",
        ".json.asc: missing",
    ),
    "first index missing": (
        lambda site: site.delete(first(site, copies("index", 1))),
        "publications/index/1-",
        "missing",
    ),
    "channel copy replaced": (
        lambda site: site.sign(first(site, FIRST), site.read(first(site, FIRST)) + b"\n"),
        f"publications/channels/{CHANNEL}/1-",
        "its SHA-256 is not the one that the site names",
    ),
    "channel copy damaged in the middle": (
        lambda site: site.write(first(site, SECOND), b"{"),
        f"publications/channels/{CHANNEL}/2-",
        "its SHA-256 is not the one that the site names",
    ),
    "ECDSA signature of a channel copy missing": (
        lambda site: site.delete(f"{first(site, FIRST)}.sig"),
        f"publications/channels/{CHANNEL}/1-",
        ".sig: missing",
    ),
    "OpenPGP signature of a channel copy replaced": (
        lambda site: site.write(
            f"{first(site, FIRST)}.asc", site.read(f"{first(site, SECOND)}.asc")
        ),
        f"publications/channels/{CHANNEL}/1-",
        "does not hold",
    ),
    "backup that says something else": (
        lambda site: site.write(backup(site), site.read(backup(site)).replace(b"1.36", b"1.37")),
        "publications/site/1-",
        "holds another",
    ),
    "backup that is nested without an end": (
        lambda site: site.write(backup(site), b"[" * 100_000),
        "publications/site/1-",
        "cannot be read",
    ),
    "state that nobody signed": (
        steps(
            lambda site: site.publish(issued=1),
            lambda site: site.delete(f"{present_copy(site)}.asc"),
        ),
        "publications/site/3-",
        ".asc: missing",
    ),
    "record with another key's name": (
        lambda site: site.channel(repo_key=site.past.stranger.repo.fingerprint),
        f"channels/{CHANNEL}.json",
        "names the key",
    ),
    "record of another channel": (
        lambda site: site.channel(channel="stable"),
        f"channels/{CHANNEL}.json",
        "is the record of stable",
    ),
    "marker changed": (
        lambda site: site.write(f"channels/{CHANNEL}.txt", b"v1.36.3"),
        f"channels/{CHANNEL}.txt",
        "does not say v1.36.4",
    ),
    "suite of nobody": (
        lambda site: linked(site.root / SUITE, site.root / "apt/dists/evil"),
        "apt/dists/evil/InRelease",
        "nothing on the site names it",
    ),
    "channel of nobody": (
        lambda site: site.write("channels/evil.json", site.read(f"channels/{CHANNEL}.json")),
        "channels/evil.json",
        "nothing on the site names it",
    ),
    "key of nobody": (
        lambda site: site.write("keys/history/evil.asc", site.read("keys/kubewright.asc")),
        "keys/history/evil.asc",
        "nothing on the site names it",
    ),
}


def subjects(
    site: Site, change: Callable[[dict[str, str]], object], signer: Keys | None = None
) -> None:
    """Provenance about other files than the manifest's."""
    about = {one.url: one.sha256 for one in site.manifest().files if one.kind != "provenance"}
    change(about)
    statement = provenance.statement(
        [provenance.Subject(name=name, sha256=digest) for name, digest in about.items()],
        build_type="https://example.org/type",
        builder_id="https://example.org/builder",
        external_parameters={},
    )
    site.file(PROVENANCE, provenance.envelope(statement, (signer or site.past.keys).artifact))


def image_signature(site: Site) -> str:
    """The payload of a signature; its signature is beside it."""
    return next(one.url for one in site.manifest().artifacts if one.url.endswith(".payload.json"))


def beside(payload: str) -> str:
    return payload.removesuffix(".payload.json") + ".sig"


def sign_instead_of_an_image(site: Site, payload: bytes) -> None:
    url = image_signature(site)
    site.file(url, payload)
    site.file(beside(url), site.past.keys.artifact.sign(payload))


def other_image(site: Site, **changes: object) -> None:
    """The manifest says something else of the first image than the archive holds."""
    first, *rest = site.manifest().images
    site.release(images=(first.model_copy(update=changes), *rest))


def other_platform(site: Site, **changes: object) -> None:
    platform = site.manifest().images[0].platforms[0]
    other_image(site, platforms=(platform.model_copy(update=changes),))


def halved(data: bytes) -> bytes:
    """The first half: a cut within a layer, not between two members, where a tar may end."""
    return data[: len(data) // 2]


def damaged_archive(site: Site) -> None:
    data = bytearray(site.read(ARCHIVE))
    data[len(data) // 2] ^= 1
    site.file(ARCHIVE, bytes(data))


NOTHING = f"sha256:{'0' * 64}"

RELEASES: dict[str, Case] = {
    "provenance of nothing": (
        lambda site: site.file(PROVENANCE, b"garbage"),
        PROVENANCE,
        "not a signed statement",
    ),
    "provenance by a stranger": (
        lambda site: subjects(site, dict.copy, site.past.stranger),
        PROVENANCE,
        "the signature does not hold",
    ),
    "provenance that leaves a file out": (
        lambda site: subjects(site, lambda about: about.pop(ARCHIVE)),
        PROVENANCE,
        f"says nothing of {ARCHIVE}",
    ),
    "provenance of another file": (
        lambda site: subjects(site, lambda about: about.update({"evil": "0" * 64})),
        PROVENANCE,
        "is about evil",
    ),
    "provenance of other bytes": (
        lambda site: subjects(site, lambda about: about.update({ARCHIVE: "0" * 64})),
        PROVENANCE,
        f"contradicts the manifest about {ARCHIVE}",
    ),
    "no provenance": (lambda site: site.file(PROVENANCE, None), MANIFEST, "names no provenance"),
    "image signature of nothing": (
        lambda site: site.file(beside(image_signature(site)), b"garbage"),
        "",
        ".sig: the signature does not hold",
    ),
    "image signature left out": (
        lambda site: site.file(beside(image_signature(site)), None),
        MANIFEST,
        "has no signature of",
    ),
    "image payload left out": (
        lambda site: site.file(image_signature(site), None),
        MANIFEST,
        "has no signature of",
    ),
    "image payload that is none": (
        lambda site: sign_instead_of_an_image(site, b"[]"),
        "",
        ".payload.json: does not claim registry.k8s.io/",
    ),
    "signature of another image": (
        lambda site: sign_instead_of_an_image(
            site, cosign.payload("registry.example.org/evil", NOTHING, None)
        ),
        "",
        ".payload.json: does not claim registry.k8s.io/",
    ),
    "signature of an image that is not there": (
        lambda site: site.release(images=site.manifest().images[1:]),
        "",
        ".sig: signs no image of these",
    ),
    "images with another index": (
        lambda site: other_image(site, index=NOTHING),
        MANIFEST,
        f" is {NOTHING}, but its archives make it sha256:",
    ),
    "images with another manifest": (
        lambda site: other_platform(site, manifest=NOTHING),
        ARCHIVE,
        "holds another",
    ),
    "images with another config": (
        lambda site: other_platform(site, config=NOTHING),
        ARCHIVE,
        "holds another",
    ),
    "images with other content": (
        lambda site: other_platform(site, diff_ids=(NOTHING,)),
        ARCHIVE,
        "holds another",
    ),
    "images that the archive lacks": (
        lambda site: other_image(site, reference="registry.example.org/a:1"),
        ARCHIVE,
        "lacks registry.example.org/a:1",
    ),
    "archive with an image too many": (
        lambda site: site.release(images=site.manifest().images[1:]),
        ARCHIVE,
        "which the manifest does not have",
    ),
    "archive that is none": (
        lambda site: site.file(ARCHIVE, b"not a tar" * 99),
        ARCHIVE,
        "not a readable archive",
    ),
    "archive cut short": (
        lambda site: site.file(ARCHIVE, halved(site.read(ARCHIVE))),
        ARCHIVE,
        "not a readable archive",
    ),
    "archive with a damaged layer": (damaged_archive, ARCHIVE, "its digest is sha256:"),
    "manifest of another release": (
        lambda site: site.release(
            release=site.manifest().release.model_copy(update={"name": "v9.9.9-1"})
        ),
        MANIFEST,
        "says other things of the release",
    ),
    "manifest that hides its development keys": (
        lambda site: site.release(development=False),
        MANIFEST,
        "says other things of the release",
    ),
    "manifest that does not name its keys": (
        lambda site: site.release(keys=()),
        MANIFEST,
        "which it does not name",
    ),
    "checksums of another file": (
        lambda site: site.sign(SUMS, site.read(SUMS) + b"0" * 64 + b"  evil\n"),
        SUMS,
        "lacks or contradicts evil",
    ),
}

CASES = KEYS | REPOSITORIES | PUBLICATIONS | RELEASES


@pytest.mark.parametrize("case", CASES)
def test_what_was_tampered_with_is_found_and_named(site: Site, case: str) -> None:
    tamper, place, problem = CASES[case]
    tamper(site)
    found = site.found()
    assert [line for line in found if line.startswith(place) and problem in line], "\n".join(found)


@pytest.mark.parametrize("days", [1, 7, 20, 60])
def test_a_suite_is_warned_about_from_when_refresh_would_renew_it(site: Site, days: int) -> None:
    settings = site.past.settings.model_copy(
        update={"site": str(site.root), "now": NOW + 180, "channels": (CHANNEL,)}
    )
    publish.publish(
        Workspace(settings.dist / NAME),
        settings.model_copy(update={"valid_for": days}),
        shipped(),
        site.past.keys,
    )
    half = settings.now + days * DAY // 2
    for now, due in ((settings.now, False), (half, False), (half + 1, True)):
        dry = settings.model_copy(update={"now": now, "dry_run": True})
        renewed, _, _ = channels.refresh(dry, shipped(), site.past.keys)
        warned = [
            line
            for line in verify.verify(str(site.root), [], now=now).warnings
            if "InRelease" in line
        ]
        assert (bool(renewed), bool(warned)) == (due, due)
    (warning,) = warned
    assert warning.startswith(f"{SUITE}/InRelease: expires at ")
    assert warning.endswith(" UTC; run `kubewright refresh` before that")


def test_a_site_of_development_keys_is_warned_about(past: Past) -> None:
    report = Site(past.sites[2], past).verified(*own(past))
    (warning,) = report.warnings
    assert warning.startswith("signed by development keys")
    assert past.keys.repo.fingerprint in warning
    assert past.keys.artifact.key_id in warning


def own(past: Past) -> tuple[bytes, bytes]:
    return past.keys.repo.armored.encode(), past.keys.artifact.public_pem


def foreign(past: Past) -> tuple[bytes, bytes]:
    return past.stranger.repo.certificate, past.stranger.artifact.public_pem


def test_keys_of_both_kinds_can_be_trusted(past: Past) -> None:
    site = Site(past.sites[2], past)
    assert site.found(*own(past)) == []
    assert site.found(*own(past), *foreign(past)) == []
    assert site.verified(*own(past)).keys == (
        f"OpenPGP {past.keys.repo.fingerprint}", f"ECDSA {past.keys.artifact.key_id}"
    )  # fmt: skip


def test_a_key_of_one_kind_leaves_the_other_to_the_site_and_says_so(past: Past) -> None:
    report = Site(past.sites[2], past).verified(own(past)[0])
    assert report.findings == ()
    assert any(line.startswith("no ECDSA key is given") for line in report.warnings)


def test_a_site_of_a_stranger_is_refused(past: Past) -> None:
    site = Site(past.sites[2], past)
    found = site.found(*foreign(past))
    for place in ("keys/kubewright.gpg", "keys/kubewright.asc", "keys/kubewright.pub"):
        assert any(
            line.startswith(f"{place}: holds ") and "none of the keys given" in line
            for line in found
        )
    for place in (
        f"{first(site, copies('index', 1))}.asc",
        f"{first(site, copies('index', 1))}.sig",
        f"{YUM}/repodata/repomd.xml.asc",
    ):
        assert any(line.startswith(f"{place}: ") for line in found)


@pytest.mark.parametrize("name", ["gpg", "asc", "pub"])
def test_a_key_that_a_stranger_slipped_in_is_refused(site: Site, name: str) -> None:
    with_more_keys(site)
    found = [line for line in site.found(*own(site.past)) if "none of the keys given" in line]
    assert any(line.startswith(f"keys/kubewright.{name}: holds ") for line in found)


def test_keys_that_a_state_names_which_a_given_key_has_signed_are_believed(site: Site) -> None:
    with_more_keys(site)
    site.publish_files()
    for found in (site.found(), site.found(*own(site.past))):
        assert all("is not byte for byte keys/kubewright.asc" in line for line in found)
    assert any("none of the keys given" in line for line in site.found(*foreign(site.past)))


@pytest.mark.parametrize(
    "key", [b"", b"garbage", b"-----BEGIN PUBLIC KEY-----\n?\n-----END PUBLIC KEY-----\n"]
)
def test_a_trusted_key_that_is_none_is_a_mistake_of_the_caller(past: Past, key: bytes) -> None:
    with pytest.raises(RequestError, match=r"^--key 1: "):
        Site(past.sites[2], past).verified(key)


def test_a_site_that_changed_its_keys_is_sound(site: Site, tmp_path: Path) -> None:
    trust = (tmp_path / "old.asc", tmp_path / "old.pub")
    for path, key in zip(trust, own(site.past), strict=True):
        path.write_bytes(key)
    settings = site.past.settings.model_copy(
        update={"site": str(site.root), "now": NOW + 180, "trust": trust}
    )
    keys = following(site.past.keys, site.past.stranger, now=NOW)
    channels.rollback(CHANNEL, settings, shipped(), keys, 2)
    assert site.found() == []
    assert site.found(*own(site.past), *foreign(site.past)) == []
    assert site.found(*foreign(site.past)) == [], "the new keys' state names the old ones"
    assert any("keys/kubewright.gpg: holds" in line for line in site.found(*own(site.past)))
    assert (
        json.loads(site.read("channels/stable.json"))["repo_key"]
        == site.past.stranger.repo.fingerprint
    )


def test_what_is_no_site_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(
        VerificationFailed,
        match=r"tuf/timestamp\.json is missing: this is no published site",
    ):
        verify.verify(str(tmp_path), [], now=NOW)
    with pytest.raises(RequestError, match="no such directory"):
        verify.verify(str(tmp_path / "nowhere"), [], now=NOW)


def test_damage_is_found_over_http_too(site: Site) -> None:
    site.write(f"{YUM}/Packages/kubelet-1.36.4-1.x86_64.rpm", b"short")
    site.file(ARCHIVE, b"not a tar" * 99)
    with serve(site.root) as url:
        report = verify.verify(url, [], Demands(url=URL), now=NOW)
        found = [f"{one.place}: {one.problem}" for one in report.findings]
    assert any(
        line.startswith(f"{YUM}/Packages/kubelet-1.36.4-1.x86_64.rpm: has 5 bytes")
        for line in found
    )
    assert any(line.startswith(f"{ARCHIVE}: not a readable archive") for line in found)


def opening(read: Callable[[str], bytes | None]) -> Opened:
    """A server that hands out what a function gives."""

    @contextmanager
    def opened(path: str) -> Iterator[Callable[[int], bytes] | None]:
        data = read(path)
        yield None if data is None else BytesIO(data).read

    return opened


def test_a_server_that_stops_answering_is_no_finding(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be read says nothing about the site."""
    monkeypatch.setattr("kubewright.web.BACKOFF", 0)
    with serve(past.sites[2]) as url:
        web = Web(WebFiles(url).opened)
        web.read(layout.INDEX)
    gone: list[str] = []

    def read(path: str) -> bytes | None:
        if path.startswith("apt/pool/"):
            gone.append(path)
            return web.read(path)
        return Directory(past.sites[2]).read(path)

    with pytest.raises(
        UpstreamUnreachable, match=r"127.0.0.1:\d+: cannot be reached .*; check the network"
    ) as caught:
        verified(Web(opening(read)), url, [], Demands(url=URL), now=NOW)
    assert "--upstream" not in str(caught.value)
    assert 1 <= len(gone) <= AT_ONCE


def test_what_a_server_does_not_give_hides_nothing_that_is_wrong(past: Past) -> None:
    good = Directory(past.sites[2])

    def read(path: str) -> bytes | None:
        if path.startswith("yum/"):
            raise UpstreamUnreachable("example.org: broke off")
        data = good.read(path)
        return data and data[:-1] if path.startswith("apt/pool/") else data

    with pytest.raises(UpstreamUnreachable):
        verified(
            Web(opening(lambda path: read(path) if path.startswith("yum/") else good.read(path))),
            "site",
            [],
            now=NOW,
        )
    *wrong, last = verified(Web(opening(read)), "site", [], now=NOW).findings
    assert {one.place.partition("/pool/")[0] for one in wrong} == {"apt"}
    assert (last.place, last.problem) == ("site", "the rest is not checked: example.org: broke off")


# ── Whom it believes, which site it is, and what lies beside it ──────────────────────────────


def believing(site: Site, *keys: bytes, **demands: object) -> list[str]:
    """What is found with these keys, or both of the site, where nothing may lie beside it."""
    asked = Demands(**{"own": (), **demands})  # type: ignore[arg-type]
    report = verify.verify(str(site.root), keys or own(site.past), asked, now=NOW + 200)
    return [f"{one.place}: {one.problem}" for one in report.findings]


def foreign_packets(kind: str) -> bytes:
    """What a stranger adds to somebody's certificate."""
    tsk = pysequoia.Tsk.generate("Mallory <mallory@example.org>")
    wanted = {"subkey": Tag.PublicSubkey, "user id": Tag.UserID, "signature": Tag.Signature}[kind]
    packets = PacketPile.from_bytes(bytes(tsk.extract_certificate()))
    numbers = {"subkey": 14, "user id": 13, "signature": 2}
    body = next(packet.body for packet in packets if packet.tag == wanted)
    return openpgp.packet(numbers[kind], body)


def larger_certificate(site: Site, kind: str, *, resigned: bool = False) -> None:
    """All files of keys have the true certificate with a packet more."""
    grown = site.read("keys/kubewright.gpg") + foreign_packets(kind)
    text = openpgp.armored("PUBLIC KEY BLOCK", grown)
    site.write("keys/kubewright.gpg", grown)
    site.write("keys/kubewright.asc", text)
    site.write(history(site, "asc"), text)
    site.write(f"{YUM}/repodata/repomd.xml.key", text)
    if resigned:
        site.publish_files()


@pytest.mark.parametrize("resigned", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("kind", ["subkey", "user id", "signature"])
def test_what_a_stranger_adds_to_the_certificate_is_found(
    site: Site, kind: str, resigned: bool
) -> None:
    larger_certificate(site, kind, resigned=resigned)
    found = believing(site)
    for place in ("keys/kubewright.gpg", "keys/kubewright.asc"):
        assert any(line.startswith(f"{place}: ") for line in found), "\n".join(found)


def test_a_certificate_that_has_a_name_more_than_the_given_one_is_named(site: Site) -> None:
    larger_certificate(site, "user id", resigned=True)
    found = believing(site)
    named = [line for line in found if "is not the certificate that was given" in line]
    assert {line.partition(":")[0] for line in named} >= {
        "keys/kubewright.gpg",
        "keys/kubewright.asc",
    }


def short_lived(site: Site, tmp_path: Path) -> Keys:
    """The site goes over to keys that expire in 40 days."""
    short = made(tmp_path / "short", "Short", now=NOW, expires_days=40)
    keys = following(site.past.keys, short, now=NOW)
    trust = (tmp_path / "old.asc", tmp_path / "old.pub")
    for path, key in zip(trust, own(site.past), strict=True):
        path.write_bytes(key)
    settings = site.past.settings.model_copy(
        update={"site": str(site.root), "now": NOW + 180, "trust": trust}
    )
    channels.rollback(CHANNEL, settings, shipped(), keys, 2)
    return keys


def test_an_expired_key_that_signs_is_a_finding_and_an_earlier_one_is_only_said(
    site: Site, tmp_path: Path
) -> None:
    keys = short_lived(site, tmp_path)
    given = (keys.repo.certificate, keys.artifact.public_pem, *own(site.past))
    for days, findings, warnings in ((5, 0, 0), (20, 0, 1), (39, 0, 1), (41, 1, 0)):
        report = verify.verify(str(site.root), given, now=NOW + days * DAY)
        about = f"key {keys.repo.fingerprint} expire"
        assert len([one for one in report.findings if one.problem.startswith(about)]) == findings
        assert len([line for line in report.warnings if line.startswith(about)]) == warnings
        assert len(report.findings) == findings
    settings = site.past.settings.model_copy(
        update={
            "site": str(site.root),
            "now": NOW + 300,
            "trust": (tmp_path / "short/repo-key.pub.asc", tmp_path / "short/artifact-key.pub"),
        }
    )
    back = following(keys, site.past.keys, now=NOW)
    channels.rollback(CHANNEL, settings, shipped(), back, 3)
    report = verify.verify(str(site.root), given, now=NOW + 41 * DAY)
    assert report.findings == ()
    assert any(line.startswith(about) for line in report.warnings)


def test_a_key_that_its_owner_has_revoked_is_a_finding_wherever_the_word_comes_from(
    past: Past,
) -> None:
    secret = Path(os.environ["KUBEWRIGHT_DATA"], "development", "repo-key.asc")
    revoked, name = withdrawn(pysequoia.Tsk.from_file(str(secret))), past.keys.repo.fingerprint
    assert [one.problem for one in lifetimes([revoked], now=NOW)] == [f"key {name} is revoked"]
    found = believing(Site(past.sites[2], past), own(past)[1], revoked)
    assert [line for line in found if "revoked" in line] == [
        f"keys/kubewright.gpg: key {name} is revoked: apt, dnf and installers refuse it; sign with "
        "another key (docs/keys.md)"
    ]


def withdrawn(tsk: pysequoia.Tsk) -> bytes:
    """The certificate of a key with its owner's word that it is revoked."""
    cert = tsk.extract_certificate()
    word = bytes(cert.revoke(tsk.certifier()))
    return bytes(pysequoia.Cert.from_bytes(bytes(cert) + word))


def test_a_revoked_key_that_the_site_does_not_have_is_only_said(past: Past) -> None:
    revoked = withdrawn(pysequoia.Tsk.generate("Old <old@example.org>"))
    report = verify.verify(str(past.sites[2]), [*own(past), revoked], now=NOW + 200)
    assert report.findings == ()
    assert any(line.endswith("is revoked") for line in report.warnings)


def test_repositories_offer_just_the_keyring_of_the_site(site: Site) -> None:
    with_more_keys(site)
    site.publish_files()
    found = believing(site, *own(site.past), *foreign(site.past))
    assert f"{YUM}/repodata/repomd.xml.key: is not byte for byte keys/kubewright.asc; run " \
        "`kubewright repair`" in found  # fmt: skip


STRAYS = [
    "channels/evil.json",
    "apt/dists/evil/InRelease",
    f"{SUITE}/InRelease.gpg",
    "keys/kubewright-2027.gpg",
    "setup.sh",
    "extra.html",
    "a/b/c.deb",
    ".htaccess",
    "apt/.htaccess",
    ".well-known/security.txt",
    "yum/evil/x86_64/repodata/repomd.xml",
    "yum/evil/x86_64/repodata/repomd.xml.key",
    "releases/index.json.asc",
    "schemas/evil.json",
]
"""What nobody has signed, where people or programs would look."""


@pytest.mark.parametrize("path", STRAYS)
def test_what_lies_on_a_site_and_nothing_names_is_found(site: Site, path: str) -> None:
    site.write(path, b"evil\n")
    (line,) = believing(site)
    assert line.startswith(f"{path}: nothing on the site names it")


def test_files_of_ones_own_may_lie_beside_a_site_but_not_in_it(site: Site) -> None:
    for path in ("robots.txt", ".well-known/security.txt", "channels/robots.txt"):
        site.write(path, b"mine\n")
    (line,) = believing(site, own=("robots.txt", ".well-known/*", "channels/*"))
    assert line.startswith("channels/robots.txt: ")
    report = verify.verify(str(site.root), own(site.past), now=NOW)
    assert any("beside the site lies .well-known/security.txt, robots.txt" in line
               for line in report.warnings)  # fmt: skip


def test_what_a_killed_publication_left_is_only_said(site: Site) -> None:
    for path in ("apt/pool/main/x/x.deb", f"{YUM}/repodata/{'0' * 64}-primary.xml.gz",
                 "yum/snapshots/x/x86_64/1/repodata/repomd.xml"):  # fmt: skip
        site.write(path, b"left\n")
    report = verify.verify(str(site.root), own(site.past), Demands(own=()), now=NOW + 200)
    assert report.findings == ()
    assert any(line.startswith("nothing names apt/pool/main/x/x.deb, ") for line in report.warnings)


OTHER = "f" * 32
STAGING = "https://staging.example.org"
MIXED: dict[str, Case] = {
    "channel of another site": (
        lambda site: site.channel(site=OTHER),
        f"publications/channels/{CHANNEL}/3-",
        f"is of the site {OTHER}, not of ",
    ),
    "channel without an id": (
        lambda site: site.channel(site=""),
        f"publications/channels/{CHANNEL}/3-",
        "is of the site without an id, not of ",
    ),
    "channel of another address": (
        lambda site: site.channel(url=STAGING),
        f"channels/{CHANNEL}.json",
        f"is of a site at {STAGING}, but this one is at {URL}",
    ),
    "index of another site": (
        lambda site: index_with(site, site=OTHER),
        "publications/index/3-",
        f"is of the site {OTHER}, not of ",
    ),
    "index of another address": (
        lambda site: index_with(site, url=STAGING),
        "publications/index/3-",
        f"is of a site at {STAGING}, but",
    ),
    "manifest of another site": (
        lambda site: site.release(site=OTHER),
        MANIFEST,
        f"is of the site {OTHER}, not of ",
    ),
    "state of another site": (
        lambda site: site.publish(site=OTHER),
        "publications/site/2-",
        f"not of {OTHER}",
    ),
}


def index_with(where: Site, **changes: object) -> None:
    index = Index.from_bytes(where.read(layout.INDEX)).model_copy(update=changes)
    where.publish_index(index.to_bytes())


@pytest.mark.parametrize("case", MIXED)
def test_what_the_same_keys_have_signed_for_another_site_is_found(site: Site, case: str) -> None:
    tamper, place, problem = MIXED[case]
    tamper(site)
    found = believing(site)
    assert [line for line in found if line.startswith(place) and problem in line], "\n".join(found)


@pytest.mark.parametrize(
    ("asked", "sound"),
    [
        (None, True),
        (URL, True),
        (f"{URL}/", True),
        (URL.replace("127.0.0.1", "me:word@127.0.0.1"), True),
        (URL.replace("http", "https"), False),
        (URL.replace("8080", "8081"), False),
        (f"{URL}/below", False),
        (STAGING, False),
        ("http://[", False),
    ],
)
def test_the_address_that_is_asked_for_is_the_sites_own(
    past: Past, asked: str | None, sound: bool
) -> None:
    found = believing(Site(past.sites[2], past), url=asked)
    assert (found == []) == sound, found
    assert sound or found[0].startswith("publications/")


def test_a_site_served_elsewhere_is_found_unless_its_own_address_is_given(past: Past) -> None:
    with serve(past.sites[2]) as url:
        (one,) = verify.verify(url, own(past), now=NOW).findings
        assert verify.verify(url, own(past), Demands(url=URL), now=NOW).findings == ()
    assert f"says that it is the site at {URL}, not at {url}; if a copy of that site is meant, " \
        f"pass --url {URL}" in one.problem  # fmt: skip


@pytest.mark.parametrize(("days", "most", "sound"), [(0, 0, True), (7, 7, True), (8, 7, False)])
def test_a_site_may_be_too_old(past: Past, days: int, most: int, sound: bool) -> None:
    now = NOW + 120 + days * DAY
    asked = Demands(max_age=most)
    report = verify.verify(str(past.sites[2]), own(past), asked, now=now)
    assert (report.findings == ()) == sound
    assert sound or "is 8 days old, more than the 7 of --max-age" in report.findings[0].problem


def test_a_report_says_which_publication_it_is_about(past: Past) -> None:
    report = Site(past.sites[2], past).verified(*own(past))
    state = Site(past.sites[2], past).state()
    assert f"publication 3 of 2026-09-21 14:15:20Z, site {state.site} at {URL}" in report.lines()
    assert report.model_dump(mode="json")["publication"]["number"] == 3


def forked(site: Site) -> None:
    """The site as it was after publication 2, and then another publication 3."""
    shutil.rmtree(site.root)
    shutil.copytree(site.past.sites[1], site.root)
    settings = site.past.settings.model_copy(update={"site": str(site.root), "now": NOW + 150})
    channels.rollback(CHANNEL, settings, shipped(), site.past.keys, None)


def forked_ahead(site: Site) -> None:
    """The same, and a publication more."""
    forked(site)
    settings = site.past.settings.model_copy(update={"site": str(site.root), "now": NOW + 160})
    channels.rollback(CHANNEL, settings, shipped(), site.past.keys, 2)


def put_back(site: Site) -> None:
    shutil.rmtree(site.root)
    shutil.copytree(site.past.sites[1], site.root)


FORGETFUL: dict[str, tuple[Tampering, str]] = {
    "put back": (put_back, "publication 2 is older than publication 3, which was here before"),
    "forked": (forked, "its publication 3 is not the one that was here before"),
    "forked and ahead": (forked_ahead, "its publication 3 is not the one that was here before"),
    "another site": (
        lambda site: site.publish(site=OTHER),
        f"this is site {OTHER}, but ",
    ),
}


@pytest.mark.parametrize("case", FORGETFUL)
def test_a_site_that_cannot_follow_what_was_seen_is_found(
    site: Site, tmp_path: Path, case: str
) -> None:
    def look() -> Report:
        state = tmp_path / "state"
        return verify.verify(str(site.root), own(site.past), now=NOW + 200, state=state)

    assert (look().findings, look().findings) == ((), ())
    tamper, problem = FORGETFUL[case]
    tamper(site)
    found = [one.problem for one in look().findings if one.place == str(site.root)]
    assert [line for line in found if line.startswith(problem)], found
    assert f"if not: rm {tmp_path}/state/" in found[0]
    assert look().findings  # it was not remembered in place of the other


def test_a_site_that_goes_on_is_remembered_with_each_publication(
    site: Site, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(site.root, whole)
    for number in (1, 2, 3):
        shutil.rmtree(site.root)
        shutil.copytree(site.past.sites[number - 1], site.root)
        state = tmp_path / "state"
        assert not verify.verify(str(site.root), own(site.past), now=NOW, state=state).findings
        (file,) = (state / "verified").iterdir()
        assert json.loads(file.read_text())["number"] == number


def test_only_what_the_given_keys_vouch_for_is_remembered(site: Site, tmp_path: Path) -> None:
    state = tmp_path / "state"
    verify.verify(str(site.root), [], now=NOW, state=state)
    verify.verify(str(site.root), foreign(site.past), now=NOW, state=state)
    assert not state.exists()
    (tmp_path / "blocked").write_text("a file")
    report = verify.verify(
        str(site.root), own(site.past), now=NOW, state=tmp_path / "blocked/state"
    )
    assert report.findings == ()
    assert any("cannot be remembered" in line for line in report.warnings)


# ── What a hostile site cannot do ────────────────────────────────────────────────────────────


class Endless:
    """A site in which some files have no end."""

    def __init__(self, root: Path, pattern: str) -> None:
        self.root, self.pattern = root, pattern
        self.sent = 0

    @contextmanager
    def opened(self, path: str) -> Iterator[Callable[[int], bytes] | None]:
        data = Directory(self.root).read(path)
        if data is not None and fnmatchcase(path, self.pattern):
            yield self.more
        else:
            yield None if data is None else BytesIO(data).read

    def more(self, size: int) -> bytes:
        self.sent += size
        return bytes(size)


@pytest.mark.parametrize(
    "pattern",
    [
        "keys/*",
        "tuf/*",
        "publications/*.sig",
        "publications/*.asc",
        "releases/index.json",
        MANIFEST,
        "apt/dists/*/InRelease",
        "apt/dists/*/Packages*",
        "yum/*/repomd.xml.key",
        "*.deb",
        "*.rpm",
        "*.tar",
    ],
)
def test_a_file_without_an_end_is_cut_off_and_named(
    past: Past, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setattr("kubewright.verification.source.DOCUMENT", 4 << 20)
    server = Endless(past.sites[0], pattern)
    report = verified(Web(server.opened), "site", own(past), now=NOW + 10)
    found = [one for one in report.findings if "bytes that it may have" in one.problem]
    assert found, report.findings
    assert server.sent < 1 << 30


def test_an_archive_of_another_size_is_not_unpacked(site: Site) -> None:
    layer = gzip.compress(bytes(64 << 20))
    site.write(ARCHIVE, layer)
    found = believing(site)
    assert [line for line in found if line.startswith(ARCHIVE)] == [
        f"{ARCHIVE}: has {len(layer)} bytes, not {len(archive_of(site))}; run `kubewright repair`,"
        " or restore it from a copy of the site"
    ]


def archive_of(site: Site) -> bytes:
    return (site.past.sites[2] / ARCHIVE).read_bytes()


@pytest.mark.parametrize("endings", [(".asc",), (".sig",), (".asc", ".sig")])
def test_a_manifest_whose_signature_fails_leads_into_no_archive(
    site: Site, monkeypatch: pytest.MonkeyPatch, endings: tuple[str, ...]
) -> None:
    opened = []
    before = Directory.local

    def local(self: Directory, path: str, size: int) -> object:
        opened.append(path)
        return before(self, path, size)

    monkeypatch.setattr(Directory, "local", local)
    for ending in endings:
        site.write(f"{MANIFEST}{ending}", site.read(f"{SUMS}.asc"))
    found = believing(site)
    assert opened
    assert [path for path in opened if NAME in path] == []
    assert all(any(line.startswith(f"{MANIFEST}{ending}: ") for line in found)
               for ending in endings)  # fmt: skip
    both = len(endings) == 2
    assert any(line.startswith("apt/pool") for line in found) is False or both


HOSTILE = "\x1b[2J\x1b]0;x\x07\r\n\x9b\u202eevil\u2066\u200b\u2028\x7f\udcff\U000e0001"


def texts(value: object) -> Iterator[str]:
    """Every text in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for below in value.values():
            yield from texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from texts(below)


def test_no_field_of_a_report_reaches_a_terminal_as_it_is(past: Past) -> None:
    report = Site(past.sites[2], past).verified()
    publication = Publication(number=1, issued=10**30, site=HOSTILE, url=HOSTILE, sha256=HOSTILE)
    hostile = Report(
        site=HOSTILE, checked=1, releases=(HOSTILE,), keys=(HOSTILE,), warnings=(HOSTILE,),
        findings=(Finding(place=HOSTILE, problem=HOSTILE),), strays=(HOSTILE,),
        first_use=True, publication=publication,
    )  # fmt: skip
    said = hostile.model_dump(mode="json", exclude={"header"})
    fields = set(texts(said))
    assert fields == {HOSTILE}
    assert hostile.model_dump().keys() == report.model_dump().keys()
    for line in hostile.lines():
        assert line.isprintable(), repr(line)
        assert "\\x1b[2J" in line
    text = printable_json(json.dumps(said, ensure_ascii=False))
    assert text.isprintable()
    assert set(texts(json.loads(text))) == {HOSTILE}


def test_a_long_text_is_cut_and_lines_are_kept_where_they_are_wanted() -> None:
    assert printable("ä a\tb\nc ∞") == "ä a\\tb\\nc ∞"
    assert printable("a\tb\nc\x1b", lines=True) == "a\tb\nc\\x1b"
    assert printable("x" * (LONGEST + 5)) == "x" * LONGEST + "… (5 characters more)"


def test_names_of_a_hostile_site_are_written_out_by_every_verb_that_shows_them(
    site: Site, run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    site.write("channels/\x1b[2J", b"")
    for words in (["verify", str(site.root), "--trust-on-first-use"],
                  ["verify", str(site.root), "--json"]):  # fmt: skip
        code, out, err = run(*words)
        assert code == 5
        assert (out.replace("\n", "") + err).isprintable(), repr(out)
        assert "\\x1b[2J" in out or "\\u001b[2J" in out
    record = site.record()
    one = record.releases[0].model_copy(update={"name": f"v1.36.4{HOSTILE[:-2]}"})
    site.channel(releases=(one, *record.releases[1:]))
    for words in (["history", "--site", str(site.root)],
                  ["history", CHANNEL, "--site", str(site.root)]):  # fmt: skip
        code, out, err = run(*words)
        assert (code, out) == (5, ""), "such a name is no name"
        assert err.replace("\n", "").isprintable(), repr(err)
        assert "damaged at releases.0.name" in err
    out = run("verify", str(site.root))[1]
    assert out.splitlines()[-1].startswith(f"{site.root}: ")
    assert "failed; releases: " in out.splitlines()[-1]


def test_without_a_key_verify_says_whom_it_believed_and_is_not_content(
    past: Past, run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    root = str(past.sites[2])
    code, out, err = run("verify", root)
    assert (code, f"key OpenPGP {past.keys.repo.fingerprint}, believed because" in out) == (5, True)
    assert "nobody but the site vouches for OpenPGP" in err
    assert f"ECDSA {past.keys.artifact.key_id}" in err
    assert "all sound by the site's own keys" in out
    code, out, err = run("verify", root, "--trust-on-first-use")
    assert (code, "all sound by the site's own keys" in out) == (0, True)
    words: list[str] = []
    for name, key in zip(("a.asc", "a.pub"), own(past), strict=True):
        (tmp_path / name).write_bytes(key)
        words += ["--key", name]
        code, out, err = run("verify", root, *words)
        assert (code, "checks, all sound; releases: v1.36.4-1" in out) == (0, True), err
    (tmp_path / "b.asc").write_bytes(past.stranger.repo.certificate)
    assert run("verify", root, "--key", "b.asc", "--trust-on-first-use")[0] == 5


def test_verify_takes_nothing_from_a_file_where_it_stands(
    site: Site, run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("../a.asc", own(site.past)[0])
    site.write("../b.asc", site.past.stranger.repo.certificate)
    monkeypatch.chdir(site.root)
    lines = (
        f'now = {NOW}', 'key = ["../b.asc"]', 'trust-on-first-use = true', 'site = "elsewhere"',
        'own = ["*"]', 'max-age = 1', 'url = "https://x.example.org"', 'nonsense = 1', '[',
    )  # fmt: skip
    for line in lines:
        Path("kubewright.toml").write_text(f"{line}\n")
        code, out, err = run("verify", ".")
        assert (code, "kubewright.toml: nothing on the site names it" in out) == (5, True), err
        code, out, err = run("verify", ".", "--key", "../a.asc", "--own", "kubewright.toml")
        assert (code, "all sound" in out) == (0, True), (line, out, err)
    Path("kubewright.toml").write_text('site = "."\n')
    code, _, err = run("history", "-v")
    assert (code, f"{site.root}/kubewright.toml: defaults of options are read" in err) == (0, True)
    assert "kubewright.toml" not in run("history")[2]


def test_a_password_in_the_address_is_not_shown(
    past: Past, run: Callable[..., tuple[int, str, str]]
) -> None:
    with serve(past.sites[2]) as url:
        code, out, err = run("verify", url.replace("//", "//me:SECRET@"), "--url", URL)
    assert (code, "SECRET" in out + err) == (5, False)


def test_an_error_about_a_hostile_name_is_one_line_that_shows_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "\x1b[2J").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(tmp_path / "\x1b[2J")])
    line, place = capsys.readouterr().err.splitlines()
    assert ended.value.code == VerificationFailed.exit_code
    assert place.startswith("the log of this run: ")
    assert line.isprintable()
    assert "/\\x1b[2J: tuf/timestamp.json is missing" in line


def test_a_server_that_shows_a_file_to_be_parsed_and_another_to_be_checked_is_caught(
    past: Past,
) -> None:
    good, shown = Directory(past.sites[2]), dict[str, int]()

    def read(path: str) -> bytes | None:
        shown[path] = shown.get(path, 0) + 1
        data = good.read(path)
        again = shown[path] > 1 and path == "keys/kubewright.gpg"
        return b"other bytes" if again else data

    report = verified(Web(opening(read)), URL, own(past), Demands(url=URL), now=NOW)
    assert shown["keys/kubewright.gpg"] > 1
    found = {one.place: one.problem for one in report.findings}
    assert found["keys/kubewright.gpg"].startswith("was something else a moment ago")


@pytest.mark.parametrize(
    ("problems", "says"),
    [
        (["says that it is the site at A, not at B; pass --url A"], "do what is said above"),
        (["is 8 days old; look there", "names A; pass --url A"], "do what is said above"),
        (["missing; run `kubewright repair`"], "run it, or restore the site from a copy"),
        (["is A; pass --url A", "damaged"], "run it, or restore the site from a copy"),
    ],
)
def test_the_last_word_of_a_report_is_no_other_remedy(problems: list[str], says: str) -> None:
    findings = tuple(Finding(place="x", problem=one) for one in problems)
    report = Report(
        site="site", checked=9, releases=(), keys=(), warnings=(), findings=findings
    )  # fmt: skip
    assert report.remedy("run it") == says

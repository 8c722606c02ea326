"""The whole chain, from one version word to a site, and what happens to it afterwards."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import files
from kubewright.cli import main
from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError
from kubewright.models.base import DAY
from kubewright.models.site import Channel
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.scratch import OWN
from kubewright.stages import channels, dryrun, history, publish, release, verify
from kubewright.stages.repair import repair_site
from kubewright.workspace import Workspace

NOW = 1_790_000_000
"""The publication clock of the fixtures in conftest.py."""


def tree(root: Path) -> dict[str, bytes]:
    """Every object; a writer of this process may still have its scratch folder."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and OWN not in path.parts
    }


def times(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def findings(site: Path, now: int = NOW) -> list[str]:
    return [f"{one.place}: {one.problem}" for one in verify.verify(str(site), [], now=now).findings]


def test_a_release_is_sound(released: Settings) -> None:
    report = verify.verify(released.site, [], now=NOW)
    assert report.findings == ()
    assert report.releases == ("v1.36.4-1",)
    assert report.checked > 200


def test_the_second_run_does_no_work_and_writes_nothing(
    released: Settings, keys: Keys, build: Callable[..., Settings]
) -> None:
    home = Path(released.site).parent
    before = times(home)
    _, _, changes = release.release(
        "v1.36.4", released.model_copy(update={"now": NOW + 5000}), shipped(), keys
    )
    assert changes == []
    assert times(home) == before


def test_two_independent_releases_are_identical_byte_for_byte(
    released: Settings, tmp_path: Path, build: Callable[..., Settings]
) -> None:
    other = build(tmp_path)
    one, two = Path(released.site).parent, tmp_path
    for part in ("dist", "site"):
        assert tree(one / part).keys() == tree(two / part).keys()
        different = [
            name for name, data in tree(one / part).items() if tree(two / part)[name] != data
        ]
        assert different == []
    assert other.site != released.site


def test_the_manifest_names_every_file_that_the_site_has_of_the_release(released: Settings) -> None:
    site = Path(released.site)
    manifest = json.loads((site / "releases/v1.36.4-1/manifest.json").read_text())
    promised = {one["url"] for one in (*manifest["artifacts"], *manifest["packages"])}
    pools = {
        str(path.relative_to(site))
        for pool in ("apt/pool", "yum/pool")
        for path in (site / pool).rglob("*.*")
    }
    own = {
        "manifest.json",
        "manifest.json.asc",
        "manifest.json.sig",
        "SHA256SUMS",
        "SHA256SUMS.asc",
    }
    there = {
        str(path.relative_to(site))
        for path in (site / "releases/v1.36.4-1").rglob("*")
        if path.is_file()
    }
    assert {path for path in pools if not Path(site / path).is_dir()} <= promised
    assert there - promised == {f"releases/v1.36.4-1/{name}" for name in own}
    assert manifest["development"] is True
    assert manifest["components"]["etcd"]["version"] == "3.6.8"


def copy_of(site: Path, folder: str) -> Path:
    """The one signed copy in a folder of `publications/`."""
    (found,) = (
        path
        for path in (site / "publications" / folder).glob("*.json")
        if "backup" not in path.name
    )
    return found


def test_documents_equal_their_newest_immutable_copies(released: Settings) -> None:
    site = Path(released.site)
    for live, folder in {
        "releases/index.json": "index",
        "channels/stable.json": "channels/stable",
        "publications/site.json": "site",
    }.items():
        copy, data = copy_of(site, folder), (site / live).read_bytes()
        assert copy.read_bytes() == data
        assert copy.name == f"1-{files.sha256(data)[:16]}.json"
    assert (site / "channels/stable-1.36.txt").read_bytes() == b"v1.36.4"
    assert (site / layout.TIMESTAMP).read_bytes() == (site / layout.FINISHED).read_bytes()


def test_a_dry_run_of_a_release_that_lost_a_package_says_that_it_would_be_made_again(
    home: Settings, keys: Keys
) -> None:
    assert dryrun.rehearse("v1.36.4", home, shipped(), lambda: keys).changes == ()
    (home.dist / "v1.36.4-1/packages/deb/kubelet_1.36.4-1_amd64.deb").unlink()
    plan = dryrun.rehearse("v1.36.4", home, shipped(), lambda: keys)
    assert (plan.changes, "deb/kubelet/amd64" in plan.packages) == (None, True)


def test_a_dry_run_prints_exactly_what_the_run_then_writes(home: Settings, keys: Keys) -> None:
    shutil.rmtree(home.site)
    workspace = Workspace(home.dist / "v1.36.4-1")
    _, planned = publish.publish(
        workspace, home.model_copy(update={"dry_run": True}), shipped(), keys
    )
    assert not Path(home.site).exists()
    _, done = publish.publish(workspace, home, shipped(), keys)
    assert planned == done
    assert {change.action for change in done} == {"create", "link"}


@pytest.mark.parametrize(
    ("name", "where"),
    [
        (
            "apt/dists/stable/main/binary-amd64/Packages",
            "apt/dists/stable/main/binary-amd64/Packages: its SHA-256",
        ),
        ("apt/dists/stable/InRelease", "apt/dists/stable/InRelease: "),
        ("apt/dists/stable/Release", "apt/dists/stable/InRelease: "),
        (
            "apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb",
            "kubelet_1.36.4-1_amd64.deb: its SHA-256",
        ),
        (
            "yum/pool/kubelet-1.36.4-1.x86_64.rpm",
            "yum/pool/kubelet-1.36.4-1.x86_64.rpm: its SHA-256",
        ),
        ("yum/stable/x86_64/repodata/repomd.xml", "yum/stable/x86_64/repodata/repomd.xml: "),
        ("releases/v1.36.4-1/manifest.json", "releases/v1.36.4-1/manifest.json: its SHA-256"),
        ("releases/v1.36.4-1/SHA256SUMS", "releases/v1.36.4-1/SHA256SUMS: "),
        ("releases/index.json", "releases/index.json"),
        ("channels/stable.txt", "channels/stable.txt: does not say v1.36.4"),
    ],
)
def test_one_flipped_byte_is_found_and_named(site: Path, name: str, where: str) -> None:
    data = bytearray((site / name).read_bytes())
    position = data.index(b"\n", len(data) // 2) - 3 if name.endswith(".asc") else len(data) // 2
    data[position] ^= 1
    (site / name).unlink()  # packages are hard links: damage one name only
    (site / name).write_bytes(data)
    found = findings(site)
    assert any(where in line for line in found), found


@pytest.mark.parametrize(
    "name",
    [
        "yum/pool/kubelet-1.36.4-1.x86_64.rpm",
        "releases/v1.36.4-1/index/apt.json.gz",
        "channels/stable.json",
    ],
)
def test_a_missing_object_is_found(site: Path, name: str) -> None:
    (site / name).unlink()
    assert any(line.startswith(f"{name}: missing") for line in findings(site))


def test_a_site_signed_by_somebody_else_is_refused(released: Settings, tmp_path: Path) -> None:
    from kubewright.signing.keys import initialise

    paths = initialise(tmp_path / "keys", "Stranger <s@example.org>", now=NOW, expires_days=None)
    report = verify.verify(released.site, [paths.repo_public.read_bytes()], now=NOW)
    assert any("which is not a known key" in one.problem for one in report.findings)


def test_a_second_release_keeps_the_first_and_reuses_companions(
    home: Settings, build: Callable[..., Settings]
) -> None:
    site = Path(home.site)
    etcd = next((site / "apt/pool/main/e/etcd").glob("*amd64.deb"))
    before = etcd.stat().st_ino
    base = site.parent
    build(base, "v1.36.3", site=home.site, now=NOW + 60)
    packages = (site / "apt/dists/stable-1.36/main/binary-amd64/Packages").read_text()
    assert "Version: 1.36.4-1" in packages
    assert "Version: 1.36.3-1" in packages
    assert etcd.stat().st_ino == before
    assert (site / "channels/stable-1.36.txt").read_text() == "v1.36.4"
    assert findings(site) == []


def test_a_prerelease_goes_to_latest_only(home: Settings, build: Callable[..., Settings]) -> None:
    site = Path(home.site)
    build(site.parent, "latest", site=home.site, now=NOW + 60)
    assert (site / "channels/latest.txt").read_text() == "v1.37.0-rc.1"
    assert (site / "channels/stable.txt").read_text() == "v1.36.4"
    assert not (site / "channels/stable-1.37.txt").exists()
    assert findings(site) == []


def test_other_bytes_under_a_published_name_are_refused(home: Settings, keys: Keys) -> None:
    """The same release from other options holds other packages under the same names."""
    before = tree(Path(home.site))
    complaint = r"v1.36.4-1 is published with another manifest .*; choose the next .*--revision"
    with pytest.raises(KubewrightError, match=complaint) as caught:
        release.release(
            "v1.36.4", home.model_copy(update={"registry": "registry.example.org"}), shipped(), keys
        )
    assert caught.value.exit_code == 6
    caught.traceback.clear()  # the writer ends
    del caught
    after = tree(Path(home.site))
    assert {path for path in after if not path.startswith(".kubewright/")} >= before.keys()
    assert {path: after[path] for path in before} == before


def test_damaged_objects_are_restored_by_repair(home: Settings, keys: Keys) -> None:
    site = Path(home.site)
    pool = site / "yum/pool"
    signature = bytearray((pool / "kubectl-1.36.4-1.x86_64.rpm").read_bytes())
    signature[signature.index(keys.repo.key.fingerprint) + 40] ^= 1
    for name, data in {
        "apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb": b"damaged",
        "apt/dists/stable/Release": b"damaged",
        "yum/pool/kubeadm-1.36.4-1.x86_64.rpm": b"no rpm",
        "yum/pool/kubectl-1.36.4-1.x86_64.rpm": bytes(signature),
    }.items():
        (site / name).write_bytes(data)
    (pool / "kubelet-1.36.4-1.x86_64.rpm").unlink()
    assert len(findings(site)) > 5
    report, _ = repair_site(home, shipped(), keys)
    assert report.findings == ()
    assert findings(site) == []


def test_documents_that_share_their_bytes_are_restored_by_repair_and_its_dry_run_says_so(
    home: Settings, keys: Keys
) -> None:
    """Both forms of a repository have the same filelists, one file by two names."""
    damaged = {path for path in Path(home.site).rglob("*-filelists.xml.gz") if "yum" in path.parts}
    assert len(damaged) > 2
    for path in damaged:
        path.write_bytes(b"damaged")
    _, planned = repair_site(home.model_copy(update={"dry_run": True}), shipped(), keys)
    report, done = repair_site(home, shipped(), keys)
    assert report.findings == ()
    for changes in (planned, done):
        assert damaged <= {Path(home.site, change.path) for change in changes}


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def other_version(data: bytes) -> bytes:
    return data.replace(b"1.36.4", b"1.36.5")


@pytest.mark.parametrize("change", [cut, other_version])
@pytest.mark.parametrize(
    "name",
    [
        "releases/index.json",
        "channels/stable.json",
        "releases/v1.36.4-1/index/apt.json.gz",
        "releases/v1.36.4-1/index/yum.json.gz",
    ],
)
def test_no_damaged_document_stops_a_publication_or_gets_into_it(
    home: Settings,
    keys: Keys,
    build: Callable[..., Settings],
    name: str,
    change: Callable[[bytes], bytes],
) -> None:
    """Only what a digest names is read, from wherever it is whole."""
    site = Path(home.site)
    path = site / name
    right = path.read_bytes()
    path.write_bytes(change(right) if change(right) != right else b"")
    settings = home.model_copy(update={"now": NOW + 60, "channels": ("stable",)})
    build(site.parent, "v1.36.3", site=str(site.parent / "other"), now=NOW)
    publish.publish(Workspace(home.dist / "v1.36.3-1"), settings, shipped(), keys)
    found = findings(site, NOW + 60)
    assert all(name in line for line in found), found
    report, _ = repair_site(settings, shipped(), keys)
    assert report.findings == ()


def test_a_damaged_manifest_that_the_page_needs_is_named_and_nothing_is_committed(
    home: Settings, keys: Keys, build: Callable[..., Settings]
) -> None:
    site = Path(home.site)
    build(site.parent, "v1.36.3", site=str(site.parent / "other"), now=NOW)
    name = "releases/v1.36.4-1/manifest.json"
    (site / name).write_bytes(cut((site / name).read_bytes()))
    before = tree(site)
    workspace = Workspace(home.dist / "v1.36.3-1")
    settings = home.model_copy(update={"now": NOW + 60, "channels": ("stable",)})
    with pytest.raises(KubewrightError, match=f"^{re.escape(name)}: .*run `kubewright repair`"):
        publish.publish(workspace, settings, shipped(), keys)
    assert tree(site) == before
    report, _ = repair_site(settings, shipped(), keys)
    assert report.findings == ()
    publish.publish(workspace, settings, shipped(), keys)
    assert findings(site, NOW + 60) == []


def expiring(site: Path) -> dict[str, int | None]:
    """For how many days from its publication each suite is valid; the suite says what the record
    does.
    """
    found: dict[str, int | None] = {}
    for path in sorted((site / "channels").glob("*.json")):
        record = Channel.from_bytes(path.read_bytes())
        text = (site / "apt/dists" / record.channel / "InRelease").read_text()
        assert ("Valid-Until" in text) == (record.valid_until is not None)
        found[record.channel] = (
            None if record.valid_until is None else (record.valid_until - record.issued) // DAY
        )
    return found


def test_a_site_that_expires_is_renewed_by_publishing_again(home: Settings, keys: Keys) -> None:
    site, workspace = Path(home.site), Workspace(home.dist / "v1.36.4-1")
    assert set(expiring(site).values()) == {None}
    publish.publish(workspace, home.model_copy(update={"valid_for": 1}), shipped(), keys)
    assert expiring(site) == {"latest": 1, "stable": 1, "stable-1.36": 1}
    late = home.model_copy(update={"now": NOW + 3 * DAY})
    (expired, *_) = [one for one in findings(site, late.now) if "stable-1.36/InRelease" in one]
    assert "expired at" in expired
    assert "run `kubewright refresh`" in expired
    publish.publish(workspace, late.model_copy(update={"valid_for": 2}), shipped(), keys)
    assert findings(site, late.now) == []
    later = home.model_copy(update={"now": late.now + 4 * DAY})
    publish.publish(workspace, later, shipped(), keys)
    assert expiring(site) == {"latest": 2, "stable": 2, "stable-1.36": 2}
    assert findings(site, later.now) == []


def test_only_the_published_channels_get_an_expiry_and_keep_it(
    home: Settings, keys: Keys, build: Callable[..., Settings]
) -> None:
    site, workspace = Path(home.site), Workspace(home.dist / "v1.36.4-1")
    one = home.model_copy(update={"channels": ("stable-1.36",)})
    publish.publish(workspace, one.model_copy(update={"valid_for": 7}), shipped(), keys)
    assert expiring(site) == {"latest": None, "stable": None, "stable-1.36": 7}
    build(site.parent, "v1.36.3", site=home.site, now=NOW + 60, channels=("stable-1.36", "latest"))
    assert expiring(site) == {"latest": None, "stable": None, "stable-1.36": 7}
    channels.rollback(
        "stable-1.36", home.model_copy(update={"now": NOW + 120}), shipped(), keys, None
    )
    assert expiring(site)["stable-1.36"] == 7
    publish.publish(
        workspace, one.model_copy(update={"valid_for": 0, "now": NOW + 180}), shipped(), keys
    )
    assert expiring(site) == {"latest": None, "stable": None, "stable-1.36": None}
    assert findings(site, NOW + 180) == []


def test_refresh_renews_what_expires_without_a_release_at_hand(
    home: Settings, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Path(home.site)
    one = home.model_copy(update={"channels": ("stable-1.36",), "valid_for": 3})
    publish.publish(Workspace(home.dist / "v1.36.4-1"), one, shipped(), keys)
    shutil.rmtree(home.dist)
    before = tree(site)
    assert channels.refresh(home.model_copy(update={"now": NOW + DAY}), shipped(), keys) == (
        (),
        (),
        None,
    )
    assert tree(site) == before
    late = home.model_copy(update={"now": NOW + 7 * DAY})
    renewed, changes, _ = channels.refresh(
        late.model_copy(update={"dry_run": True}), shipped(), keys
    )
    assert ([one.channel for one in renewed], tree(site)) == (["stable-1.36"], before)
    assert "apt/dists/stable-1.36/InRelease" in {change.path for change in changes}
    (record,), _, _ = channels.refresh(late, shipped(), keys)
    assert (record.channel, record.valid_until) == ("stable-1.36", late.now + 3 * DAY)
    assert expiring(site) == {"latest": None, "stable": None, "stable-1.36": 3}
    assert findings(site, late.now) == []
    assert channels.refresh(late, shipped(), keys) == ((), (), None)
    with pytest.raises(SystemExit) as ended:
        main(["refresh", "--site", home.site, "--now", str(late.now)])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{home.site}: nothing to renew\n")


def test_a_rollback_brings_the_old_release_back_and_history_tells(
    home: Settings, keys: Keys, build: Callable[..., Settings]
) -> None:
    site = Path(home.site)
    build(site.parent, "v1.36.3", site=home.site, now=NOW + 60, channels=("stable-1.36",))
    record, _ = channels.rollback(
        "stable-1.36", home.model_copy(update={"now": NOW + 120}), shipped(), keys, None
    )
    assert [one.name for one in record.releases] == ["v1.36.4-1"]
    assert [one.sequence for one in history.history("stable-1.36", home)] == [1, 2, 3]
    assert "1.36.3-1" not in (site / "apt/dists/stable-1.36/main/binary-amd64/Packages").read_text()
    assert findings(site) == []
    with pytest.raises(
        KubewrightError, match=r"stable-1.36.json: no publication 9; there are: 1, 2, 3"
    ):
        channels.rollback("stable-1.36", home, shipped(), keys, 9)


def test_a_development_key_is_refused_where_the_public_looks(home: Settings, keys: Keys) -> None:
    public = home.model_copy(update={"url": "https://packages.example.org"})
    complaint = r"a development key may not publish here: .* is public; give --repo-key"
    with pytest.raises(KubewrightError, match=complaint) as caught:
        publish.publish(Workspace(home.dist / "v1.36.4-1"), public, shipped(), keys)
    assert caught.value.exit_code == 2


def test_a_fixed_url_gives_a_mirrorlist_and_absolute_texts(
    tmp_path: Path, build: Callable[..., Settings]
) -> None:
    settings = build(tmp_path, url="http://127.0.0.1:8080", allow_development=True)
    site = Path(settings.site)
    line = (site / "yum/stable-1.36/x86_64/mirrorlist").read_text().strip()
    snapshot = site / line.removeprefix("http://127.0.0.1:8080/")
    assert (snapshot / "repodata/repomd.xml.asc").is_file()
    assert "http://127.0.0.1:8080" in (site / "index.html").read_text()
    assert findings(site) == []


def test_the_command_line_verifies_with_exit_5(
    site: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    assert run("verify", str(site), "--trust-on-first-use")[0] == 0
    (site / "channels/stable.txt").write_text("v9.9.9")
    code, out, _ = run("verify", str(site), "--json")
    assert code == 5
    assert json.loads(out)["findings"][0]["place"] == "channels/stable.txt"

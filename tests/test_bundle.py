"""bundle and bundle load: one verified file, and a far site that has just what bundles brought."""

import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from buckets import account, in_new_bucket, opened, put
from copied_sites import Killed, Watch, copied, fault, killed, tree
from exhaustive import Outcomes, came_of, sampled, seen
from registries import serving
from s3_server import running

from kubewright import files as file_module
from kubewright import images
from kubewright.cli.shipped import shipped
from kubewright.clients.server import serve
from kubewright.errors import (
    DiskError,
    KubewrightError,
    PublicationConflict,
    RequestError,
    VerificationFailed,
)
from kubewright.models.base import Arch
from kubewright.models.bundle import Bundle, Part
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.stages import bundle_os, channels, load, verify
from kubewright.stages.bundle import Asked, Made, bundle
from kubewright.stages.bundle_more import more
from kubewright.stages.prune import Retention, prune
from kubewright.stages.sync import Done, sync
from kubewright.verification import Report
from kubewright.verification.demands import Demands
from kubewright.verification.members import LIST, TarMembers

NOW = 1_790_000_000
URL = "https://packages.example.org/k8s"
OLD, NEW = "v1.36.3-1", "v1.36.4-1"


@pytest.fixture(scope="session")
def past(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings], keys: Keys
) -> tuple[Settings, Settings]:
    """A site after one publication, and the same one after two, with one release each."""
    home = tmp_path_factory.mktemp("bundle")
    own: dict[str, object] = {"url": URL, "allow_development": True, "state": None}
    old = build(home, "v1.36.3", channels=("test", "other"), now=NOW + 10, **own)
    kept = copied(old, home / "old")
    new = build(home, "v1.36.4", channels=("test",), now=NOW + 20, **own)
    return kept, new.model_copy(update={"now": NOW + 30})


@pytest.fixture(scope="session")
def old(past: tuple[Settings, Settings]) -> Settings:
    return past[0]


@pytest.fixture(scope="session")
def new(past: tuple[Settings, Settings]) -> Settings:
    return past[1]


@pytest.fixture(scope="session")
def files(
    past: tuple[Settings, Settings], keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Bundles: of the older site, of each release of the newer one, and of what is new."""
    folder = tmp_path_factory.mktemp("bundles")
    old, new = past
    found = {name: folder / f"{name}.tar" for name in ("first", "old", "new", "since")}
    made(old, found["first"], keys, OLD)
    made(new, found["old"], keys, OLD)
    made(new, found["new"], keys, "test")
    made(new, found["since"], keys, NEW, since=found["first"])
    return found


@pytest.fixture
def far(new: Settings, tmp_path: Path) -> Settings:
    """A place on the far side, where nothing is."""
    return new.model_copy(update={"site": str(tmp_path / "far")})


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with account(), running() as address:
        yield address


def trusted(keys: Keys) -> list[bytes]:
    return [keys.repo.certificate, keys.artifact.public_pem]


def made(
    settings: Settings,
    target: Path,
    keys: Keys,
    *names: str,
    since: Path | None = None,
    arch: tuple[str, ...] = (),
) -> Made:
    asked = Asked(names, arch, since)
    with more(asked, (), shipped()) as extra:
        return bundle(target, asked, trusted(keys), settings, extra)


def loaded(file: Path, settings: Settings, keys: Keys, *, delete: bool = False) -> Done:
    with load.carried(file) as found:
        return load.load(found, trusted(keys), settings, delete=delete)


def refused(file: Path) -> None:
    with load.carried(file):
        pytest.fail(f"{file} was taken")


def looked_at(site: str | Path, keys: Keys, demands: Demands | None = None) -> Report:
    return verify.verify(str(site), trusted(keys), demands or Demands(), now=NOW + 40)


def wrong(site: str | Path, keys: Keys) -> list[str]:
    return [f"{one.place}: {one.problem}" for one in looked_at(site, keys).findings]


def unpacked(file: Path, folder: Path) -> Path:
    with tarfile.open(file) as tar:
        tar.extractall(folder, filter="data")
    return folder


def listed(file: Path) -> Bundle:
    with tarfile.open(file) as tar:
        first = tar.next()
        assert first is not None
        assert first.name == LIST
        stream = tar.extractfile(first)
        assert stream is not None
        return Bundle.from_bytes(stream.read())


# ── What a bundle is ─────────────────────────────────────────────────────────────────────────


def test_a_bundle_has_all_of_its_release_and_no_package_of_another(files: dict[str, Path]) -> None:
    names = listed(files["new"]).members
    assert "site/apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb" in names
    assert "site/yum/pool/kubelet-1.36.4-1.x86_64.rpm" in names
    assert not [name for name in names if "kubelet" in name and "1.36.3" in name]
    assert {"install.sh", "readme.txt", "images/oci-layout", "images/index.json"} <= names.keys()
    assert {f"site/{layout.KEYRING}", f"site/releases/{OLD}/manifest.json"} <= names.keys()
    rpms = [name for name in names if name.endswith("kubelet-1.36.4-1.x86_64.rpm")]
    assert len(rpms) == 1, "each once, by whatever names yum repositories have it"


def test_its_images_are_a_sound_layout_by_the_digests_of_the_manifest(
    files: dict[str, Path], tmp_path: Path
) -> None:
    root = unpacked(files["new"], tmp_path)
    assert list(images.check_layout(root / "images")) == []
    manifest = json.loads((root / f"site/releases/{NEW}/manifest.json").read_bytes())
    index = json.loads((root / "images/index.json").read_bytes())
    promised = sorted(image["index"] for image in manifest["images"])
    assert promised
    assert sorted(entry["digest"] for entry in index["manifests"]) == promised
    for archive in [one for one in manifest["artifacts"] if one["kind"] == "image-archive"]:
        docker = json.loads((root / f"images/{NEW}-{archive['arch']}.json").read_bytes())
        for image in docker:
            assert (root / "images" / image["Config"]).is_file()


def test_the_same_site_makes_the_same_bytes_from_a_directory_and_a_server(
    new: Settings, files: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    meant = files["new"].read_bytes()
    made(new, tmp_path / "again.tar", keys, NEW)
    assert (tmp_path / "again.tar").read_bytes() == meant
    with serve(Path(new.site)) as address:
        web = new.model_copy(update={"site": address})
        made(web, tmp_path / "web.tar", keys, "test")
    assert (tmp_path / "web.tar").read_bytes() == meant


def test_a_dry_run_writes_nothing_and_says_the_files(
    new: Settings, files: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    trial = new.model_copy(update={"dry_run": True})
    said = made(trial, tmp_path / "b.tar", keys, NEW)
    assert list(tmp_path.iterdir()) == []
    assert said.bundle == listed(files["new"])
    assert said.size == files["new"].stat().st_size


@pytest.mark.parametrize(
    ("asked", "arch", "problem"),
    [
        ("v1.36.9-1", (), "the site has no such release; the newest are v1.36.4-1"),
        ("stabel", (), "neither a release nor a channel of the site; its channels are other, test"),
        (NEW, ("s390x",), "has nothing for s390x; it is for amd64"),
    ],
)
def test_what_the_site_has_not_is_refused_by_name(
    new: Settings, keys: Keys, tmp_path: Path, asked: str, arch: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(RequestError, match=problem):
        made(new, tmp_path / "b.tar", keys, asked, arch=arch)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_for_a_site_with_a_fault_or_a_stranger(
    new: Settings, keys: Keys, tmp_path: Path
) -> None:
    site = copied(new, tmp_path / "site")
    target = tmp_path / "b.tar"
    target.write_bytes(b"")
    broken = Path(site.site, "apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb")
    data = broken.read_bytes()
    broken.unlink()
    broken.write_bytes(data[:-1] + b"!")
    with pytest.raises(VerificationFailed, match=re.escape("kubelet_1.36.4-1_amd64")):
        made(site, target, keys, NEW)
    made(site, tmp_path / "other.tar", keys, OLD)  # what is not asked for need not be sound
    with pytest.raises(VerificationFailed, match="no key is given"):
        bundle(target, Asked((OLD,)), [], site, lambda _: ())
    assert target.read_bytes() == b""


def test_a_file_that_is_no_bundle_stays(new: Settings, keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match="no bundle"):
        made(new, tmp_path / "notes.txt", keys, NEW)
    with pytest.raises(RequestError, match="a directory"):
        made(new, tmp_path, keys, NEW)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["fedora-44", "debian-11", "beos-5"])
def test_a_distribution_that_cannot_be_brought_is_refused_before_any_work(name: str) -> None:
    with pytest.raises(KubewrightError, match=f"--with-os {name}: "):
        bundle_os.wanted(name, shipped().distributions)


def test_a_machine_without_sources_of_the_distribution_says_so(tmp_path: Path) -> None:
    (tmp_path / "etc/apt").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text("deb http://a.example/x sid main\n")
    with pytest.raises(KubewrightError, match=r"no source of Debian|missing"):
        bundle_os.wanted("debian-12", shipped().distributions, tmp_path)


# ── Verified as any site ─────────────────────────────────────────────────────────────────────


def test_a_bundle_is_verified_packed_and_unpacked(
    files: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    root = unpacked(files["new"], tmp_path / "there")
    for place in (files["new"], root, root / "site"):
        report = looked_at(place, keys)
        assert report.findings == (), place
        assert report.here == (NEW,)
        assert set(report.releases) == {OLD, NEW}
        assert f"of 2 releases 1 here: {NEW}" in list(report.lines())
    whole = looked_at(root / "site", keys, Demands(whole=True))
    assert [one.place for one in whole.findings] == [layout.PART]
    assert OLD in whole.findings[0].problem


def test_every_other_lack_of_a_part_is_a_fault(
    files: dict[str, Path], keys: Keys, far: Settings
) -> None:
    loaded(files["new"], far, keys)
    everything = sorted(tree(far.site))
    assert wrong(far.site, keys) == []
    ours = [name for name in everything if not name.endswith((".txt", layout.PART))]
    for number in sampled(range(len(ours)), every=40):
        path = Path(far.site, ours[number])
        data = path.read_bytes()
        path.unlink()
        with suppress(VerificationFailed):  # there is no site without its pointer
            assert wrong(far.site, keys), ours[number]
        path.write_bytes(data)


def _parts(part: Part) -> dict[str, bytes]:
    """Damaged or dishonest lists of what is here."""
    [one] = part.releases
    lies = {
        "no release": part.model_copy(update={"releases": ()}),
        "another manifest": part.model_copy(
            update={"releases": (one.model_copy(update={"manifest_sha256": "0" * 64}),)}
        ),
        "one more release": part.model_copy(
            update={"releases": (one.model_copy(update={"architectures": ("arm64",)}),)}
        ),
        "another site": part.model_copy(update={"site": "f" * 32}),
    }
    found = {name: lie.to_bytes() for name, lie in lies.items()}
    return {**found, "no JSON": b"{", "an empty file": b""}


def test_a_dishonest_part_hides_nothing_that_is_there_and_is_a_fault(
    files: dict[str, Path], keys: Keys, far: Settings
) -> None:
    loaded(files["new"], far, keys)
    path = Path(far.site, layout.PART)
    data = path.read_bytes()
    for name, lie in _parts(Part.from_bytes(data)).items():
        path.write_bytes(lie)
        if name != "one more release":  # which is here for no such machine: nothing is missed
            assert wrong(far.site, keys), name
    path.write_bytes(b"")
    path.write_bytes(_parts(Part.from_bytes(data))["one more release"])
    deb = Path(far.site, "apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb")
    deb.write_bytes(b"other")
    assert [one for one in wrong(far.site, keys) if deb.name in one]


# ── Loading ──────────────────────────────────────────────────────────────────────────────────


def test_a_site_of_all_bundles_is_the_site_itself(
    new: Settings, files: dict[str, Path], keys: Keys, far: Settings
) -> None:
    trial = far.model_copy(update={"dry_run": True})
    said = loaded(files["old"], trial, keys)
    assert not Path(far.site).exists()
    done = loaded(files["old"], far, keys)
    assert [one.path for one in done.changes] == [one.path for one in said.changes]
    assert looked_at(far.site, keys).here == (OLD,)
    loaded(files["new"], far, keys)
    report = looked_at(far.site, keys, Demands(whole=True))
    assert report.findings == ()
    found = tree(far.site)
    found.pop(layout.PART, None)
    assert found == tree(new.site)
    again = loaded(files["new"], far, keys)
    assert again.changes == ()


def test_a_later_publication_keeps_what_earlier_bundles_brought(
    new: Settings, files: dict[str, Path], keys: Keys, far: Settings
) -> None:
    loaded(files["first"], far, keys)
    assert looked_at(far.site, keys).here is None, "all that was published then"
    loaded(files["new"], far, keys)
    assert tree(far.site) == tree(new.site)


def test_only_what_is_new_is_brought_where_the_rest_is_already(
    new: Settings, files: dict[str, Path], keys: Keys, far: Settings, tmp_path: Path
) -> None:
    with pytest.raises(VerificationFailed, match=f"load the bundle of publication 1 with {OLD}"):
        loaded(files["since"], far, keys)
    loaded(files["first"], far, keys)
    small = tmp_path / "small.tar"
    made(new, small, keys, NEW, since=Path(far.site))
    mine, theirs = (
        {path for path, one in listed(file).members.items() if one.before}
        for file in (small, files["since"])
    )
    assert mine == theirs
    assert len(mine) > 50
    loaded(files["since"], far, keys)
    assert loaded(small, far, keys).changes == ()
    found = tree(far.site)
    found.pop(layout.PART, None)
    assert found == tree(new.site)
    with pytest.raises(RequestError, match="has only what is new since publication 1"):
        looked_at(files["since"], keys)


def test_a_bundle_of_the_far_site_is_a_bundle(
    files: dict[str, Path], keys: Keys, far: Settings, tmp_path: Path
) -> None:
    loaded(files["new"], far, keys)
    made(far, tmp_path / "b.tar", keys, NEW)
    assert (tmp_path / "b.tar").read_bytes() == files["new"].read_bytes()
    with pytest.raises(RequestError, match=f"{OLD}: is not here for amd64: the site has {NEW}"):
        made(far, tmp_path / "c.tar", keys, OLD)


def test_a_bundle_goes_into_a_bucket_and_out_of_it(
    new: Settings, files: dict[str, Path], keys: Keys, server: str, tmp_path: Path
) -> None:
    with account():
        bucket = in_new_bucket(new, server)
        loaded(files["first"], bucket, keys)
        loaded(files["since"], bucket, keys)
        store = opened(bucket)
        found = {path: store.get(path) for path in store.list("")}
        there = {path: one.data for path, one in found.items() if one and path != layout.PART}
        assert there == tree(new.site)
        report = verify.verify(bucket.site, trusted(keys), now=NOW + 40, s3_endpoint=server)
        assert report.findings == ()
        made(bucket, tmp_path / "b.tar", keys, NEW)
    assert (tmp_path / "b.tar").read_bytes() == files["new"].read_bytes()


def test_another_site_and_a_publication_that_is_older_or_forked_are_refused(
    old: Settings, files: dict[str, Path], keys: Keys, released: Settings, tmp_path: Path
) -> None:
    fork = copied(old, tmp_path / "fork").model_copy(update={"now": NOW + 25})
    put(fork, keys, NEW, "forked")
    other = copied(released, tmp_path / "other")
    newer = fork.model_copy(update={"site": str(tmp_path / "newer")})
    loaded(files["new"], newer, keys)
    for place, file, text in (
        (other, "new", "is of site .*, but .* is of site"),
        (newer, "first", "has publication 2, which is newer than publication 1"),
        (fork, "new", "its publication 2 is not publication 2 of"),
    ):
        before = tree(place.site)
        with pytest.raises(PublicationConflict, match=text):
            loaded(files[file], place, keys)
        assert tree(place.site) == before


def test_a_full_site_of_before_stays_full(
    old: Settings, new: Settings, files: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    place = copied(old, tmp_path / "full")
    loaded(files["new"], place, keys)
    assert tree(place.site) == tree(new.site)
    assert looked_at(place.site, keys).here is None


def test_what_the_site_has_forgotten_goes_when_it_is_to(
    new: Settings, files: dict[str, Path], keys: Keys, far: Settings, tmp_path: Path
) -> None:
    loaded(files["old"], far, keys)
    site = copied(new, tmp_path / "site")
    for number in range(4):
        later = site.model_copy(update={"now": NOW + 31 + number})
        channels.rollback("test", later, shipped(), keys, 1 + number % 2)
    assert prune(Retention(1, 0), later.model_copy(update={"now": NOW + 40}), shipped(), keys)
    made(later, tmp_path / "b.tar", keys, NEW)
    done = loaded(tmp_path / "b.tar", far, keys, delete=True)
    assert done.removed
    assert wrong(far.site, keys) == []


def test_images_are_pushed_by_digest_and_read_back(
    files: dict[str, Path], keys: Keys, far: Settings, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    with serving(tool("docker-registry"), tmp_path / "registry") as address:
        loaded(files["first"], far, keys)
        with load.carried(files["since"]) as carried:
            load.load(carried, trusted(keys), far)
            found = load.push(carried, f"{address}/k8s")
            assert load.push(carried, f"{address}/k8s") == found
        manifest = json.loads(Path(far.site, f"releases/{NEW}/manifest.json").read_bytes())
        promised = {f"{one['name']}:{one['tag']}@{one['index']}" for one in manifest["images"]}
        assert {one.removeprefix(f"{address}/k8s/") for one in found} == promised


@pytest.mark.parametrize("damage", [b"{", None])
def test_a_lost_or_damaged_list_of_what_is_here_is_made_again_from_what_is(
    files: dict[str, Path], keys: Keys, far: Settings, damage: bytes | None
) -> None:
    loaded(files["old"], far, keys)
    part = Path(far.site, layout.PART)
    meant = part.read_bytes()
    part.unlink()
    if damage is not None:
        part.write_bytes(damage)
    assert wrong(far.site, keys)
    loaded(files["old"], far, keys)
    assert part.read_bytes() == meant
    part.unlink()
    loaded(files["new"], far, keys)
    assert not part.exists()
    assert wrong(far.site, keys) == []


def test_a_part_is_copied_as_a_part_and_made_whole_by_its_site(
    new: Settings, files: dict[str, Path], keys: Keys, far: Settings, tmp_path: Path
) -> None:
    loaded(files["new"], far, keys)
    copy = far.model_copy(update={"site": str(tmp_path / "copy")})
    sync(far.site, trusted(keys), copy)
    assert tree(copy.site) == tree(far.site)
    sync(new.site, trusted(keys), copy)
    assert tree(copy.site) == tree(new.site)
    with pytest.raises(RequestError, match=r"a bundle.*bundle load"):
        sync(str(files["new"]), trusted(keys), copy)


def test_a_bundle_is_not_loaded_into_itself(
    files: dict[str, Path], keys: Keys, far: Settings, tmp_path: Path
) -> None:
    root = unpacked(files["new"], tmp_path / "there")
    place = far.model_copy(update={"site": str(root / "site")})
    with pytest.raises(RequestError, match="is inside"):
        loaded(root, place, keys)


def test_a_disk_without_room_is_said_before_anything_is_written(
    new: Settings, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(DiskError, match=r"needs \d+ bytes, .* but the disk has 1048576"):
        made(new, tmp_path / "b.tar", keys, NEW)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_of_one_architecture_is_sound_and_another_completes_it(
    build: Callable[..., Settings], keys: Keys, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    site = build(tmp_path / "two", architectures=(Arch.amd64, Arch.arm64), state=None)
    far = site.model_copy(update={"site": str(tmp_path / "far"), "now": NOW + 30})
    first = tmp_path / "amd64.tar"
    made(site, first, keys, NEW, arch=("amd64",))
    pooled = [name for name in listed(first).members if "/pool/" in name]
    assert pooled
    assert not [name for name in pooled if "arm64" in name or "aarch64" in name]
    root = unpacked(first, tmp_path / "unpacked")
    assert list(images.check_layout(root / "images")) == []
    assert wrong(root, keys) == []
    with serving(tool("docker-registry"), tmp_path / "registry") as address:
        with load.carried(first) as carried:
            load.load(carried, trusted(keys), far)
            assert load.push(carried, address)
        assert wrong(far.site, keys) == []
        made(site, tmp_path / "arm64.tar", keys, NEW, arch=("arm64",))
        loaded(tmp_path / "arm64.tar", far, keys)
        found = tree(far.site)
        found.pop(layout.PART, None)
        assert found == tree(site.site)
        made(far, tmp_path / "both.tar", keys, NEW)
        with load.carried(tmp_path / "both.tar") as carried:
            pushed = load.push(carried, address)
    manifest = json.loads(Path(far.site, f"releases/{NEW}/manifest.json").read_bytes())
    promised = {f"{one['name']}:{one['tag']}@{one['index']}" for one in manifest["images"]}
    assert {one.removeprefix(f"{address}/") for one in pushed} == promised


# ── Anybody's tar ────────────────────────────────────────────────────────────────────────────


Member = tuple[tarfile.TarInfo, bytes]


def members(file: Path) -> list[Member]:
    found = []
    with tarfile.open(file) as tar:
        for info in tar:
            stream = tar.extractfile(info) if info.isfile() else None
            found.append((info, stream.read() if stream else b""))
    return found


def packed(found: list[Member], target: Path) -> Path:
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in found:
            tar.addfile(info, io.BytesIO(data))
    return target


def member(name: str, data: bytes = b"", **more: object) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def _changed(found: list[Member], name: str, data: bytes) -> list[Member]:
    result = []
    for info, before in found:
        if info.name == name:
            info = tarfile.TarInfo(name)  # noqa: PLW2901
            info.size, before = len(data), data  # noqa: PLW2901
        result.append((info, before))
    return result


DEB = "site/apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb"

HOSTILE: dict[str, tuple[Callable[[list[Member]], list[Member]], str]] = {
    "a changed package": (
        lambda found: _changed(
            found, DEB, bytes(reversed(next(data for info, data in found if info.name == DEB)))
        ),
        f"{DEB}: its SHA-256",
    ),
    "a shorter package": (lambda found: _changed(found, DEB, b"!"), f"{DEB}: has 1 bytes"),
    "a package that is gone": (
        lambda found: [one for one in found if one[0].name != DEB], f"{DEB}: missing"),
    "a file that was added": (lambda found: [*found, member("site/x", b"x")], "site/x: not in"),
    "no list": (lambda found: found[1:], "comes before bundle.json"),
    "a list that is no JSON": (lambda found: _changed(found, LIST, b"{"), "bundle.json: not JSON"),
    "a list of another kind": (
        lambda found: _changed(found, LIST, b'{"header":{"type":"x","version":"1"}}'),
        "not a document of the type kubewright.bundle",
    ),
    "a path that leads out": (lambda found: [*found, member("../x", b"x")], "not a plain path"),
    "a path that leads out below": (
        lambda found: [*found, member("site/../../x", b"x")], "not a plain path"),
    "an absolute path": (lambda found: [*found, member("/etc/passwd", b"x")], "not a plain path"),
    "a file twice": (lambda found: [*found, found[-1]], "there twice"),
    "a folder and a file": (
        lambda found: [*found, member("site", b"x")], "site: there twice"),
    "a link": (
        lambda found: [*found, member("site/l", type=tarfile.SYMTYPE, linkname="/etc")],
        "site/l: not a plain file"),
    "a second name": (
        lambda found: [*found, member("site/l", type=tarfile.LNKTYPE, linkname=DEB)],
        "site/l: not a plain file"),
    "a device": (
        lambda found: [*found, member("site/d", type=tarfile.CHRTYPE)], "not a plain file"),
    "a pipe": (
        lambda found: [*found, member("site/p", type=tarfile.FIFOTYPE)], "not a plain file"),
    "an extension of the format": (
        lambda found: [*found, member("site/x", b"x", pax_headers={"comment": "x"})],
        "no long name"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tar_that_somebody_has_changed_is_refused_with_the_place(
    name: str, files: dict[str, Path], keys: Keys, far: Settings, tmp_path: Path
) -> None:
    change, text = HOSTILE[name]
    file = packed(change(members(files["new"])), tmp_path / "bad.tar")
    with pytest.raises(VerificationFailed) as error:
        loaded(file, far, keys)
    assert text in str(error.value)
    assert str(file) in str(error.value)
    assert not Path(far.site).exists()
    with pytest.raises(VerificationFailed):
        looked_at(file, keys)


def test_a_tar_that_was_cut_off_or_added_to_anywhere_is_refused(
    files: dict[str, Path], tmp_path: Path
) -> None:
    data = files["since"].read_bytes()
    file = tmp_path / "cut.tar"
    for length in (0, 1, 511, 512, 513, *sampled(range(1024, len(data), 4096), every=40)):
        file.write_bytes(data[:length])
        with pytest.raises(VerificationFailed, match="cut off"):
            refused(file)
    for more_ in (b"\0", b"x" * 512, bytes(tarfile.RECORDSIZE), data):
        file.write_bytes(data + more_)
        with pytest.raises(VerificationFailed, match="added to"):
            refused(file)


def test_a_header_that_says_too_much_is_refused_before_it_is_believed(
    files: dict[str, Path], tmp_path: Path
) -> None:
    data = bytearray(files["since"].read_bytes())
    for size in (b"77777777777\0", b"\x80" + bytes(3) + b"\xff" * 8, b"\xff" * 12):
        head = bytearray(data[:512])
        head[124:136] = size
        head[148:156] = b" " * 8
        head[148:156] = f"{sum(head):06o}\0 ".encode()
        file = tmp_path / "huge.tar"
        file.write_bytes(bytes(head) + data[512:])
        with pytest.raises(VerificationFailed):
            TarMembers(file)


def test_a_directory_with_a_link_or_a_stranger_is_refused(
    files: dict[str, Path], keys: Keys, far: Settings, tmp_path: Path
) -> None:
    root = unpacked(files["new"], tmp_path / "there")
    loaded(root, far, keys)
    assert wrong(far.site, keys) == []
    (root / "site/added").write_text("x")
    with pytest.raises(VerificationFailed, match=r"site/added: not in bundle\.json"):
        loaded(root, far, keys)
    (root / "site/added").unlink()
    deb = root / DEB
    deb.rename(tmp_path / "elsewhere.deb")
    deb.symlink_to(tmp_path / "elsewhere.deb")
    with pytest.raises(KubewrightError, match="symbolic link"):
        loaded(root, far, keys)


# ── Killed anywhere ──────────────────────────────────────────────────────────────────────────


def test_a_load_killed_anywhere_is_the_old_or_the_new_one_and_goes_on(
    new: Settings,
    files: dict[str, Path],
    keys: Keys,
    far: Settings,
    watch: Watch,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    loaded(files["first"], far, keys)
    with load.carried(files["first"]) as carried:  # as if there had been more
        Path(far.site, layout.PART).write_bytes(carried.part.to_bytes())
    with watch(lambda number, operation: None) as operations:
        loaded(files["since"], copied(far, tmp_path / "whole"), keys)
    writes = [
        number
        for number, operation in enumerate(operations, 1)
        if operation.startswith(("put ", "copy ", "delete "))
    ]
    part = next(n for n in writes if operations[n - 1] == f"put {layout.PART}")
    swapped = next(n for n in writes if operations[n - 1] == f"put {layout.TIMESTAMP}")
    points = [*sampled(writes, every=999), part, part + 1, swapped + 1, writes[-1]]
    of = f"{len(set(points))} of {len(operations)} operations on the far site"
    record_property("covered", f"bundle load: killed before {of}")
    outcomes, pointer = Outcomes(), Path(far.site, layout.TIMESTAMP).read_bytes()
    for point in dict.fromkeys(points):
        place = copied(far, tmp_path / str(point))
        operation = killed(watch, point, partial(loaded, files["since"], place, keys))
        now = Path(place.site, layout.TIMESTAMP).read_bytes()
        outcomes[fault(operation), seen(now, pointer)] += 1
        assert wrong(place.site, keys) == [], operation
        loaded(files["since"], place, keys)
        found = tree(place.site)
        found.pop(layout.PART, None)
        assert found == tree(new.site), operation
        assert wrong(place.site, keys) == []
        shutil.rmtree(place.site)
    came_of(record_property, "directory", "bundle load", outcomes)


def test_a_bundle_killed_at_any_write_leaves_what_was_there(
    new: Settings, files: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    target = tmp_path / "b.tar"
    count, original = len(listed(files["new"]).members), file_module.opened
    for point in sampled(range(count), every=60):
        target.write_bytes(files["first"].read_bytes())
        left = iter(range(point))

        def killing(data: bytes | Path, left: Iterator[int] = left) -> object:
            if next(left, None) is None:
                raise Killed
            return original(data)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("kubewright.files.opened", killing)
            try:
                made(new, target, keys, NEW)
            except Killed:
                assert target.read_bytes() == files["first"].read_bytes()
        assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]
    made(new, target, keys, NEW)
    assert target.read_bytes() == files["new"].read_bytes()

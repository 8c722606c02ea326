"""Records: what a stage made, of what, and who refuses which of them."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError, ToolMissing
from kubewright.models.artifact import Record
from kubewright.models.base import Format
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing import rpm
from kubewright.signing.keys import initialise, repo_key
from kubewright.signing.roles import Keys
from kubewright.site.directory import DirectoryStore
from kubewright.site.reader import Reader
from kubewright.stages import carried, fetch, image, package, publish, release, sign, verify
from kubewright.stages.carried import reading
from kubewright.stages.store import store
from kubewright.verification import Report
from kubewright.workspace import Workspace

NAME = "v1.36.4-1"
STAGES = ("fetch", "package", "image", "sign")
Change = Callable[[Path], None]


@pytest.fixture
def workspace(home: Settings) -> Workspace:
    """The workspace of a copy to change."""
    return Workspace(home.dist / NAME)


def remake(settings: Settings, keys: Keys) -> None:
    """Run every stage that the workspace may have to be made by again."""
    workspace = Workspace(settings.dist / NAME)
    fetch.fetch(workspace, settings, shipped())
    package.package(workspace, settings, shipped(), keys.repo, keys.repo.certificate)
    image.image(workspace, settings, shipped())
    sign.sign(workspace, settings, shipped(), keys, reading(store(settings)))


def another_lock(root: Path) -> None:
    lock = Workspace(root).release()
    Workspace(root).save_lock(lock.model_copy(update={"source_date_epoch": NOW_OF_LOCK}))


NOW_OF_LOCK = 1_780_000_000


def another(stage: str) -> Change:
    """A record that its stage has written anew, of something else."""

    def change(root: Path) -> None:
        record = Workspace(root).record(stage)
        assert record is not None
        Workspace(root).save(record.model_copy(update={"fingerprint": "0" * 64}))

    return change


def damaged(pattern: str) -> Change:
    def change(root: Path) -> None:
        path = sorted(root.glob(pattern))[0]
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    return change


def cut(name: str) -> Change:
    def change(root: Path) -> None:
        (root / name).write_bytes((root / name).read_bytes()[:100])

    return change


def removed(pattern: str) -> Change:
    return lambda root: sorted(root.glob(pattern))[0].unlink()


STALE: dict[str, tuple[Change, set[str]]] = {
    "nothing": (lambda root: None, set()),
    "another lock": (another_lock, {"fetch", "package", "image", "sign"}),
    "another fetch.json": (another("fetch"), {"package", "image", "sign"}),
    "another package.json": (another("package"), {"sign"}),
    "another image.json": (another("image"), {"sign"}),
    "another sign.json": (another("sign"), set()),
    "no package.json": (removed("package.json"), {"package", "sign"}),
    "a cut fetch.json": (
        cut("fetch.json"),
        {"fetch", "package", "image", "sign"},
    ),
    "a damaged deb": (damaged("packages/deb/kubelet_*.deb"), {"package", "sign"}),
    "a damaged unsigned rpm": (damaged("packages/rpm/kubelet-*.rpm"), {"package"}),
    "a damaged signed rpm": (damaged("signed/rpm/kubelet-*.rpm"), {"sign"}),
    "a damaged note of a build": (damaged("packages/deb/*.build.json"), {"package"}),
    "a damaged blob": (damaged("images/layout/blobs/sha256/*"), {"image"}),
    "a damaged archive": (damaged("images/archives/*.tar"), {"image", "sign"}),
    "no images.json": (removed("images.json"), {"image"}),
    "a damaged manifest": (damaged("signed/manifest.json"), {"sign"}),
}
"""What is done to a finished release, and whose records are then refused."""


@pytest.mark.parametrize("change", STALE)
def test_who_is_stale_after_a_change(workspace: Workspace, change: str) -> None:
    act, stale = STALE[change]
    act(workspace.root)
    refusals = {stage: refusal(workspace, stage) for stage in STAGES}
    assert {stage for stage, error in refusals.items() if error} == stale
    for stage, error in refusals.items():
        if error is not None:
            assert error.place.startswith(str(workspace.root)), error
            first = "fetch" if change == "another lock" else stage
            assert f"kubewright {first} {NAME}" in error.remedy, error


def refusal(workspace: Workspace, stage: str) -> KubewrightError | None:
    try:
        workspace.sealed(stage)
    except KubewrightError as error:
        return error
    return None


@pytest.mark.parametrize("change", [name for name in STALE if name != "another lock"])
def test_whatever_is_stale_is_made_again_by_its_stages(
    workspace: Workspace, home: Settings, keys: Keys, change: str
) -> None:
    published = {path: path.read_bytes() for path in Path(home.site).rglob("*") if path.is_file()}
    STALE[change][0](workspace.root)
    remake(home, keys)
    for stage in STAGES:
        workspace.sealed(stage)
    assert publish.publish(workspace, home, shipped(), keys)[1] == []
    assert all(path.read_bytes() == data for path, data in published.items())


def test_a_part_is_refused_by_name(workspace: Workspace, home: Settings, keys: Keys) -> None:
    shutil.rmtree(workspace.root / "packages")
    (workspace.root / "package.json").unlink()
    some = home.model_copy(update={"only": "kubelet"})
    package.package(workspace, some, shipped(), keys.repo, keys.repo.certificate)
    complaint = (
        f"package.json: incomplete: only a part was made, with --only; run `kubewright package "
        f"{NAME}` without --only"
    )
    with pytest.raises(KubewrightError, match=re.escape(complaint)):
        sign.sign(workspace, home, shipped(), keys, reading(store(home)))


@pytest.mark.parametrize("stage", ["package", "image"])
def test_what_was_made_from_other_recipes_is_not_signed(
    workspace: Workspace, home: Settings, keys: Keys, stage: str
) -> None:
    record = workspace.record(stage)
    assert record is not None
    other = record.made_from | {"recipes": "0" * 64}
    workspace.save(record.model_copy(update={"made_from": other}))
    with pytest.raises(KubewrightError) as caught:
        sign.sign(workspace, home, shipped(), keys, reading(store(home)))
    assert str(caught.value) == (
        f"{workspace.root / stage}.json: made from other recipes or content than release.json was "
        "resolved from; run `kubewright release v1.36.4` with the same options, or every stage "
        "from `kubewright resolve` on"
    )
    assert caught.value.exit_code == 2


def test_publishing_needs_no_packager_no_registry_and_no_recipes_of_the_packages(
    home: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workspace = Workspace(home.dist / NAME)
    shutil.rmtree(home.site)
    shutil.rmtree(home.cache)
    changed = {"registry": "registry.example.org", "cache": tmp_path, "backend": "nfpm"}
    elsewhere = home.model_copy(update=changed)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("kubewright.stages.package.content_digest", lambda *_: "0" * 64)
    with pytest.raises(ToolMissing, match="nfpm: not found"):
        package.package(workspace, elsewhere, shipped(), keys.repo, keys.repo.certificate)
    for name in ("recipes/catalog", "repo/templates", "docs"):
        shutil.copytree(shipped().root / name, tmp_path / "content" / name)
    publish.publish(workspace, elsewhere, Recipes(tmp_path / "content"), keys)
    assert verify.verify(home.site, [], now=home.now).findings == ()


def test_packages_for_another_address_are_not_signed(home: Settings, keys: Keys) -> None:
    there = home.model_copy(update={"url": "http://127.0.0.1:1"})
    complaint = r"package.json: the packages are for a site at any address, not at http://127.0.0.1"
    with pytest.raises(KubewrightError, match=complaint):
        sign.sign(Workspace(home.dist / NAME), there, shipped(), keys, reading(store(there)))


def test_manifest_and_provenance_state_the_digest_of_every_input(released: Settings) -> None:
    root = released.dist / NAME
    inputs = json.loads((root / "fetch.json").read_text())["inputs"]
    manifest = json.loads((root / "signed/manifest.json").read_text())
    assert manifest["inputs"] == inputs
    assert all(re.fullmatch("[0-9a-f]{64}", entry["sha256"]) for entry in inputs)
    published = json.loads((root / "signed/release.json").read_text())
    assert published["inputs"] == inputs
    assert "recipes" not in published, "a published release must not change with a comment"
    assert "recipes" in json.loads((root / "release.json").read_text())


READS = """
import sys
from collections import Counter
opened = Counter()
def note(event, args):
    if event == "open" and isinstance(args[0], str) and args[1] in ("r", "rb", None):
        opened[args[0]] += 1
sys.addaudithook(note)
from kubewright.cli import main
for words in " ".join(sys.argv[1:]).split(" then "):
    try:
        main(words.split())
    except SystemExit as ended:
        assert not ended.code, ended.code
for path, times in opened.items():
    print("READ", times, path)
"""


def reads(settings: Settings, *verbs: str) -> dict[str, int]:
    """How often one process that runs some verbs opens each file: the interpreter itself counts."""
    folder = Path(settings.site).parent
    options = {
        "dist": f'"{settings.dist}"', "cache": f'"{settings.cache}"', "site": f'"{settings.site}"',
        "upstream": f'"{settings.upstream}"', "arch": '"amd64"', "now": settings.now + 60,
    }  # fmt: skip
    lines = [f"{name} = {value}\n" for name, value in options.items()]
    (folder / "kubewright.toml").write_text("".join(lines))
    done = subprocess.run(
        [sys.executable, "-c", READS, " then ".join(verbs)],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = [line.split(" ", 2) for line in done.stdout.splitlines() if line.startswith("READ ")]
    return {path: int(times) for _, times, path in found}


BODIES = (".deb", ".rpm", ".tar")


def test_stages_that_have_nothing_to_do_read_each_file_once(home: Settings) -> None:
    found = reads(home, "resolve v1.36.4", "fetch", "package", "image", "sign", "publish")
    blobs = str(home.dist / NAME / "images/layout/blobs")
    inputs = {path: times for path, times in found.items() if str(home.cache) in path}
    bodies = {
        path: times
        for path, times in found.items()
        if str(home.dist) in path and (path.endswith(BODIES) or path.startswith(blobs))
    }
    assert len(inputs) > 10
    assert len(bodies) > 80
    assert {path: times for path, times in (inputs | bodies).items() if times > 1} == {}


@pytest.mark.parametrize("verb", ["package", "image", "sign"])
def test_no_later_stage_reads_an_input_or_the_sites_packages_for_nothing(
    home: Settings, verb: str
) -> None:
    found = reads(home, verb)
    assert str(home.dist / NAME / "release.json") in found
    assert [path for path in found if path.startswith(str(home.cache))] == []
    site = str(home.site)
    assert [path for path in found if path.startswith(site) and path.endswith(BODIES)] == []


def test_a_release_that_changed_nothing_says_so_and_is_not_verified_again(
    home: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    verified: list[Settings] = []
    real = release.check

    def check(given: Settings, own: Keys) -> Report:
        verified.append(given)
        return real(given, own)

    monkeypatch.setattr(release, "check", check)
    caplog.set_level("INFO")
    assert release.release("v1.36.4", home, shipped(), keys)[2] == []
    assert verified == []
    assert f"nothing changed; `kubewright verify {home.site}` checks the site again" in caplog.text
    shutil.rmtree(home.site)
    assert release.release("v1.36.4", home, shipped(), keys)[2] != []
    assert verified == [home]
    assert "checks, all sound" in caplog.text


class Site:
    """A site's objects by path, and which were asked for."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects, self.asked = objects, list[str]()

    def read(self, path: str) -> bytes | None:
        self.asked.append(path)
        return self.objects.get(path)

    @property
    def rpms(self) -> list[str]:
        return [path for path in self.asked if path.endswith(".rpm")]


@pytest.fixture(scope="module")
def other(released: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The rpms of the release signed by another key, and a keyring that has it."""
    folder = tmp_path_factory.mktemp("other")
    paths = initialise(folder, "Other <o@example.org>", now=released.now, expires_days=None)
    key = repo_key(f"file:{paths.repo_secret}", now=released.now)
    workspace = Workspace(released.dist / NAME)
    objects = {"keys/kubewright.gpg": key.certificate}
    for one in workspace.sealed("package").packages:
        if one.format is Format.rpm:
            data = (workspace.root / one.path).read_bytes()
            objects[one.url] = rpm.sign(data, key, released.now, name=one.name)
    return objects


def trusting(home: Settings, other: dict[str, bytes]) -> Settings:
    """Settings that believe the other key too."""
    path = home.dist / "other.gpg"
    path.write_bytes(other["keys/kubewright.gpg"])
    return home.model_copy(update={"trust": (path,)})


def digests(record: Record) -> dict[str, str]:
    return {one.url: one.sha256 for one in record.packages if one.format is Format.rpm}


def test_an_rpm_of_the_site_is_read_only_where_its_digest_differs(
    workspace: Workspace, home: Settings, keys: Keys, other: dict[str, bytes]
) -> None:
    record = workspace.record("sign")
    assert record is not None
    ours = digests(record)
    url = next(iter(ours))
    site, home = Site(other), trusting(home, other)
    done = sign.sign(workspace, home, shipped(), keys, site.read, lambda: ours)
    assert (done, site.rpms) == (record, []), "the site lists just what was signed"
    listed = ours | {url: files.sha256(other[url])}
    adopted = sign.sign(workspace, home, shipped(), keys, site.read, lambda: listed)
    assert site.rpms == [url]
    assert digests(adopted) == listed
    assert sign.sign(workspace, home, shipped(), keys, site.read, lambda: listed) == adopted
    assert site.rpms == [url], "what has been adopted is not read again"


def test_at_the_first_signing_an_rpm_that_nothing_lists_is_taken_from_the_pool(
    workspace: Workspace, home: Settings, keys: Keys, other: dict[str, bytes]
) -> None:
    (workspace.root / "sign.json").unlink()
    site, home = Site(other), trusting(home, other)
    record = sign.sign(workspace, home, shipped(), keys, site.read, dict)
    assert digests(record) == {
        url: files.sha256(data) for url, data in other.items() if url.endswith(".rpm")
    }
    asked = len(site.asked)
    assert sign.sign(workspace, home, shipped(), keys, site.read, dict) == record
    assert site.asked[asked:] == []


@pytest.mark.parametrize("damage", ["unknown key", "no rpm", "other content"])
def test_an_rpm_of_the_site_that_is_not_the_same_is_not_taken(
    workspace: Workspace, home: Settings, keys: Keys, other: dict[str, bytes], damage: str
) -> None:
    url, second = sorted(path for path in other if path.endswith(".rpm"))[:2]
    objects = {
        "unknown key": {url: other[url]},
        "no rpm": other | {url: b"no rpm"},
        "other content": other | {url: other[second]},
    }[damage]
    (workspace.root / "sign.json").unlink()
    record = sign.sign(
        workspace, home, shipped(), keys, Site(objects).read, lambda: {url: "0" * 64}
    )
    (mine,) = [one for one in record.packages if one.url == url]
    assert mine.signing_key == keys.repo.fingerprint


def test_the_rpms_that_a_site_lists_are_those_of_its_manifests(home: Settings, keys: Keys) -> None:
    site = store(home)
    record = Workspace(home.dist / NAME).record("sign")
    assert record is not None
    assert carried.listed_rpms(Reader(site)) == digests(record)
    for path in Path(home.site).glob("yum/*/x86_64/repodata/*-primary.xml.gz"):
        path.write_bytes(b"damaged")
    assert carried.listed_rpms(Reader(site)) == {}, "damage is for `publish` and `verify` to name"
    assert carried.listed_rpms(Reader(DirectoryStore(Path(home.site) / "nothing"))) == {}


def resigned(workspace: Workspace, stage: str, **options: str) -> None:
    """Let a record say that its stage had other options."""
    record = workspace.record(stage)
    assert record is not None
    more = {"options": record.options | options, "fingerprint": "0" * 64}
    workspace.save(record.model_copy(update=more))


@pytest.mark.parametrize("data", [None, b"", b"another keyring"])
def test_a_keyring_is_not_believed_for_lying_on_the_site(
    workspace: Workspace, home: Settings, keys: Keys, data: bytes | None
) -> None:
    """Packages would carry it to every node."""
    ring = Path(home.site) / "keys/kubewright.gpg"
    ring.unlink()
    if data is not None:
        ring.write_bytes(data)
    with pytest.raises(KubewrightError, match=r"keys/kubewright.gpg: missing or damaged; run"):
        release.release("v1.36.4", home, shipped(), keys)
    (workspace.root / "sign.json").unlink()
    with pytest.raises(KubewrightError, match=r"keys/kubewright.gpg: missing or damaged; run"):
        sign.sign(workspace, home, shipped(), keys, reading(store(home)))


def test_packages_that_hold_other_keys_than_the_site_are_neither_signed_nor_published(
    workspace: Workspace, home: Settings, keys: Keys, tmp_path: Path
) -> None:
    complaint = f"run `kubewright package {NAME}` again with this --site"
    resigned(workspace, "package", keyring="0" * 64)
    with pytest.raises(KubewrightError, match=complaint):
        sign.sign(workspace, home, shipped(), keys, reading(store(home)))
    empty = home.model_copy(update={"site": str(tmp_path / "empty")})
    record = sign.sign(workspace, empty, shipped(), keys, reading(store(empty)))
    assert record.options["keyring"] == "0" * 64
    with pytest.raises(KubewrightError, match=complaint):
        publish.publish(workspace, empty, shipped(), keys)
    assert not Path(empty.site).exists()
    remake(empty, keys)
    assert publish.publish(workspace, empty, shipped(), keys)[1] != []


@pytest.mark.parametrize("stage", ["package", "image"])
def test_packages_and_images_of_two_registries_are_not_signed_together(
    workspace: Workspace, home: Settings, keys: Keys, stage: str
) -> None:
    resigned(workspace, stage, registry="example.org")
    with pytest.raises(KubewrightError, match=r"name images of .* but the images are for"):
        sign.sign(workspace, home, shipped(), keys, reading(store(home)))
    remake(home, keys)


def test_recipes_that_the_release_is_not_of_sign_nothing_new(
    workspace: Workspace, home: Settings, keys: Keys, tmp_path: Path
) -> None:
    here = shipped()
    shutil.copytree(here.root / "recipes", tmp_path / "other/recipes")
    for name in ("packaging", "images", "repo", "docs"):
        (tmp_path / "other" / name).symlink_to(here.root / name)
    spec = tmp_path / "other/recipes/node-spec.toml"
    spec.write_text(spec.read_text() + "# another\n")
    other, site = Recipes(tmp_path / "other"), reading(store(home))
    done = workspace.record("sign")
    assert sign.sign(workspace, home, other, keys, site) == done, "nothing is signed"
    (workspace.root / "sign.json").unlink()
    with pytest.raises(KubewrightError, match=r"other recipes or content than v1.36.4-1 was"):
        sign.sign(workspace, home, other, keys, site)
    assert sign.sign(workspace, home, here, keys, site) == done


def test_a_release_in_a_directory_of_another_name_is_not_published(
    workspace: Workspace, home: Settings, keys: Keys
) -> None:
    moved = workspace.root.with_name("v1.36.4-2")
    workspace.root.rename(moved)
    with pytest.raises(KubewrightError, match=r"the lock of v1.36.4-1; name this directory v1.36"):
        publish.publish(Workspace(moved), home, shipped(), keys)


@pytest.mark.parametrize("name", ["release", "fetch", "package", "image", "sign"])
def test_a_directory_is_no_record(workspace: Workspace, name: str) -> None:
    place = workspace.root / f"{name}.json"
    place.unlink()
    place.mkdir()
    with pytest.raises(KubewrightError, match="a directory; remove it and run `kubewright"):
        workspace.sealed("fetch" if name == "release" else name)

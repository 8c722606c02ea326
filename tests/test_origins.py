"""Where a release comes from: mirrors and what they say of themselves, pins, digests that are known
already, and addresses without TLS.
"""

import base64
import gzip
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from kubewright import addresses, files
from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError, RequestError
from kubewright.models.base import Arch
from kubewright.models.lock import Check, Input, Release
from kubewright.models.manifest import Manifest
from kubewright.models.mirror import NAME, Kind, Mirror
from kubewright.models.site import Index, IndexedRelease
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site.reader import Reader
from kubewright.stages import (
    channels,
    dryrun,
    fetch,
    image,
    known_inputs,
    origins,
    package,
    publish,
    release,
    resolve,
    sign,
    verify,
)
from kubewright.stages.carried import reading
from kubewright.stages.stated import dependency
from kubewright.stages.store import store
from kubewright.workspace import Workspace

NOW = 1_790_000_000

KUBELET = "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet"
CONTAINERD = (
    "github.com/containerd/containerd/releases/download/v2.3.6/containerd-2.3.6-linux-amd64.tar.gz"
)

PUBLIC, HERE, PLAIN = "https://packages.example.org", "http://127.0.0.1:8080", "http://example.org"

OWN = ("busybox", "cri-dockerd", "docker", "kubernetes")
PINNED = OWN[:3]
"""The components of a release that recipes pin."""


def described(mirror: Path, to: Path, description: bytes | None) -> Path:
    """A mirror that says something else of itself."""
    shutil.copytree(mirror, to, copy_function=os.link)
    (to / NAME).unlink()
    if description is not None:
        (to / NAME).write_bytes(description)
    return to


def replaced(mirror: Path, to: Path, place: str, beside: str) -> Path:
    """A mirror in which one file has other bytes, and its checksum file says so."""
    shutil.copytree(mirror, to, copy_function=os.link)
    file, sums = to / place, to / beside
    old, data = files.sha256_of(file), file.read_bytes()
    data = gzip.compress(gzip.decompress(data), 1) if place.endswith("gz") else data + b"\n"
    text = sums.read_text().replace(old, files.sha256(data))
    for path, content in ((file, data), (sums, text.encode())):
        path.unlink()
        path.write_bytes(content)
    return to


def locked(settings: Settings, request: str = "v1.36.4") -> Release:
    return resolve.resolve(request, settings, shipped())[1]


@pytest.fixture
def asked(tmp_path: Path) -> Settings:
    """Settings of a publisher who has nothing yet."""
    return Settings(
        dist=tmp_path / "dist",
        cache=tmp_path / "cache",
        site=str(tmp_path / "site"),
        now=NOW,
        architectures=(Arch.amd64,),
        jobs=2,
    )


class Signing(NamedTuple):
    """Who signs what, and why not."""

    kind: Kind
    whose: str
    url: str = ""
    told: Mapping[str, object] = MappingProxyType({})
    refusal: str = ""


SIGNING = [
    Signing("sample", "development"),
    Signing("sample", "development", HERE),
    Signing("sample", "development", PUBLIC, {}, r"placeholder programs, but https://.* is public"),
    Signing("sample", "production", "", {}, r"placeholder programs, but production keys would"),
    Signing("sample", "production", HERE, {}, r"placeholder programs, but production keys"),
    Signing("sample", "production", PUBLIC, {}, r"placeholder programs, but https://.* is public"),
    Signing("sample", "production", PUBLIC, {"allow_changed": PINNED}, r"is public"),
    Signing("sample", "production", PUBLIC, {"allow_unverified": PINNED}, r"is public"),
    Signing("sample", "production", PUBLIC, {"allow_development": True}),
    Signing("source", "development"),
    Signing("source", "development", PUBLIC),
    Signing("source", "production", PUBLIC, {}, r"a source mirror says, but recipes.* pins"),
    Signing("source", "production", "", {"allow_changed": PINNED[:2]}, r"docker-29.* pins"),
    Signing("source", "production", "", {"allow_unverified": PINNED}, r"a source mirror says"),
    Signing("source", "production", HERE, {"allow_changed": PINNED}, r"has not signed"),
    Signing("source", "production", PUBLIC, {"allow_changed": OWN}),
    Signing("source", "production", PLAIN, {"allow_changed": OWN}, r"without TLS"),
]


@pytest.mark.parametrize("case", SIGNING, ids=lambda one: "-".join([*one[:3], *one.told]))
def test_who_may_sign_the_bytes_of_which_mirror(
    case: Signing,
    asked: Settings,
    sample_mirror: Path,
    keys: Keys,
    production: list[Keys],
    tmp_path: Path,
) -> None:
    mirror = described(sample_mirror, tmp_path / "mirror", Mirror(kind=case.kind).to_bytes())
    settings = asked.model_copy(update={"upstream": str(mirror), "url": case.url, **case.told})
    lock = locked(settings)
    assert {entry.mirror.kind for entry in lock.inputs if entry.mirror} == {case.kind}
    own = production[0] if case.whose == "production" else keys
    if not case.refusal:
        origins.refuse(lock, settings, own, shipped().components)
        return
    with pytest.raises(KubewrightError, match=case.refusal):
        origins.refuse(lock, settings, own, shipped().components)
    with pytest.raises(KubewrightError, match=case.refusal):
        dryrun.rehearse("v1.36.4", settings, shipped(), lambda: own)
    with pytest.raises(KubewrightError, match=case.refusal):
        release.release("v1.36.4", settings, shipped(), own)
    assert not Path(settings.site).exists()


@pytest.mark.parametrize(
    "description",
    [b'{"kind": "sample"}', b'{"kind": "source"}', b'{"kind": "download"}', None],
    ids=["sample", "source", "download", "nothing"],
)
def test_no_word_of_a_mirror_gets_other_bytes_than_pinned_signed(
    asked: Settings, sample_mirror: Path, production: list[Keys], tmp_path: Path,
    description: bytes | None,
) -> None:  # fmt: skip
    mirror = described(sample_mirror, tmp_path / "mirror", description)
    settings = asked.model_copy(update={"upstream": str(mirror)})
    with pytest.raises(KubewrightError, match=r"sample|pins [0-9a-f]{64}"):
        release.release("v1.36.4", settings, shipped(), production[0])
    assert not Path(settings.site).exists()


def test_a_lock_that_hides_its_mirror_still_has_to_keep_to_the_pins(
    asked: Settings, sample_mirror: Path, production: list[Keys]
) -> None:
    settings = asked.model_copy(update={"upstream": str(sample_mirror)})
    lock = locked(settings)
    bare = tuple(entry.model_copy(update={"mirror": None}) for entry in lock.inputs)
    with pytest.raises(KubewrightError, match=r"its SHA-256 is \w+, but recipes.*busybox"):
        origins.refuse(
            lock.model_copy(update={"inputs": bare}), settings, production[0], shipped().components
        )


def statement(site: Path, name: str) -> dict[str, Any]:
    """What provenance says of a release, in one line as JSON Lines has it."""
    data = (site / "releases" / name / "provenance/release.intoto.jsonl").read_bytes()
    assert data.index(b"\n") == len(data) - 1
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(data)["payload"]))
    return found


def published(settings: Settings, name: str) -> Manifest:
    data = Path(settings.site, "releases", name, "manifest.json").read_bytes()
    return Manifest.read(data, name)


def sound(settings: Settings) -> None:
    found = verify.verify(settings.site, [], now=settings.now).findings
    assert [f"{one.place}: {one.problem}" for one in found] == []


def test_a_sample_that_production_keys_are_told_to_sign_is_a_development_release_everywhere(
    asked: Settings, sample_mirror: Path, production: list[Keys]
) -> None:
    settings = asked.model_copy(
        update={"upstream": str(sample_mirror), "url": PUBLIC, "allow_development": True}
    )
    workspace, _, _ = release.release("v1.36.4", settings, shipped(), production[0])
    sound(settings)
    manifest, site = published(settings, "v1.36.4-1"), Path(settings.site)
    assert manifest.development
    assert manifest.sample
    assert not any(key.development for key in manifest.keys)
    assert workspace.release().sample
    said = statement(site, "v1.36.4-1")["predicate"]["buildDefinition"]
    assert said["internalParameters"]["development"] is True
    uris = {one["uri"].partition("/")[0] for one in said["resolvedDependencies"]}
    assert uris == {"kubewright-mirror:sample"}
    page = (site / "index.html").read_text()
    assert "Its programs are placeholders from a sample mirror" in page
    index = json.loads((site / "releases/index.json").read_text())
    assert [one["development"] for one in index["releases"]] == [True]
    # Whoever goes on from there has to say it again.
    later = settings.model_copy(update={"allow_development": False, "channels": ("more",)})
    shutil.rmtree(site)
    with pytest.raises(RequestError, match="placeholder programs"):
        publish.publish(workspace, later, shipped(), production[0])


def test_what_was_compiled_is_stated_as_such_by_production_keys(
    asked: Settings, compiled: dict[str, object], production: list[Keys]
) -> None:
    settings = asked.model_copy(update={"url": PUBLIC, **compiled})
    workspace, _, _ = release.release("v1.36.4", settings, shipped(), production[0])
    sound(settings)
    manifest, site = published(settings, "v1.36.4-1"), Path(settings.site)
    assert (manifest.development, manifest.sample) == (False, False)
    assert manifest.allowed_changes == workspace.release().allowed_changes == OWN
    description = files.sha256_of(Path(str(settings.upstream)) / NAME)
    for entry in manifest.inputs:
        assert entry.mirror is not None
        assert (entry.mirror.kind, entry.mirror.description) == ("source", description)
    said = statement(site, "v1.36.4-1")["predicate"]
    asked_for = said["buildDefinition"]["externalParameters"]
    assert asked_for["allowedChanges"] == list(OWN)
    (kubelet,) = [
        one
        for one in said["buildDefinition"]["resolvedDependencies"]
        if one["name"] == "kubernetes/kubelet amd64"
    ]
    assert kubelet["uri"] == f"kubewright-mirror:source/{KUBELET}"
    assert kubelet["annotations"] == {
        "check": "checksum",
        "checkedBy": f"https://{KUBELET}.sha256",
        "mirror": {"kind": "source", "description": description},
        "standsFor": f"https://{KUBELET}",
    }
    decided = said["buildDefinition"]["internalParameters"]
    assert decided["recipes"]["sha256"] == workspace.release().recipes
    dependencies = {one["name"] for one in said["buildDefinition"]["resolvedDependencies"]}
    made_of = {url.rpartition("/")[2]: names for url, names in decided["packages"].items()}
    containerd = ["containerd/containerd amd64", "runc/runc amd64"]
    assert made_of["kubernetes-containerd_2.3.6-2_amd64.deb"] == containerd
    assert decided["packages"].keys() <= {
        one["name"] for one in statement(site, "v1.36.4-1")["subject"]
    }
    assert set(containerd) < dependencies
    assert {"kubewright", "zlib", "zlib-ng of images", "zstd"} <= set(
        said["runDetails"]["builder"]["version"]
    )
    beside = {one["uri"] for one in said["runDetails"]["byproducts"]}
    assert beside == {f"releases/v1.36.4-1/{name}" for name in ("manifest.json", "SHA256SUMS")}
    assert "compiled from the sources of these versions" in (site / "index.html").read_text()


@pytest.mark.parametrize(
    ("mirror", "uri", "notes"),
    [
        (None, "https://example.org/x", {}),
        ("download", "https://example.org/x", {"mirror": {"kind": "download"}}),
        ("unstated", "https://example.org/x", {"mirror": {"kind": "unstated"}}),
        (
            "source",
            "kubewright-mirror:source/example.org/x",
            {"mirror": {"kind": "source"}, "standsFor": "https://example.org/x"},
        ),
    ],
)
def test_only_a_mirror_of_upstreams_own_bytes_is_stated_under_their_address(
    mirror: str | None, uri: str, notes: dict[str, object]
) -> None:
    entry = Input.model_validate(
        {
            "component": "a", "name": "x", "version": "1.0", "arch": "amd64",
            "url": "https://example.org/x", "sha256": "0" * 64, "check": "checksum",
            "checked_by": "https://example.org/x.sha256",
            "mirror": {"kind": mirror} if mirror else None,
        }
    )  # fmt: skip
    known = {"check": "checksum", "checkedBy": "https://example.org/x.sha256"}
    made = dependency(entry)
    assert (made.uri, made.annotations) == (uri, known | notes)


@pytest.fixture
def first(asked: Settings, compiled: dict[str, object], keys: Keys) -> Settings:
    """A site with v1.36.4-1 from a mirror from source, and nothing of it in dist/."""
    settings = asked.model_copy(update=compiled)
    release.release("v1.36.4", settings, shipped(), keys)
    shutil.rmtree(settings.dist)
    return settings.model_copy(update={"allow_changed": (), "now": NOW + 60})


CHANGED = {
    "the same version again": ("v1.36.4", KUBELET, f"{KUBELET}.sha256", "kubernetes"),
    "a companion of another version": (
        "v1.36.3",
        CONTAINERD,
        f"{CONTAINERD}.sha256sum",
        "containerd",
    ),
    "what only images have": (
        "v1.36.3",
        "github.com/coredns/coredns/releases/download/v1.14.2/coredns_1.14.2_linux_amd64.tgz",
        "github.com/coredns/coredns/releases/download/v1.14.2/coredns_1.14.2_linux_amd64.tgz"
        ".sha256",
        "coredns",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_other_bytes_for_a_published_version_are_refused_unless_they_are_meant(
    first: Settings, keys: Keys, tmp_path: Path, case: str
) -> None:
    request, place, sums, component = CHANGED[case]
    mirror = replaced(Path(str(first.upstream)), tmp_path / "other", place, sums)
    before = files.sha256_of(Path(str(first.upstream)) / place)
    now = files.sha256_of(mirror / place)
    settings = first.model_copy(update={"upstream": str(mirror), "revision": 2})
    refusal = (
        f"https://{place}: its SHA-256 is {now} now, but v1.36.4-1 has {before} .*"
        f"--allow-changed {component},"
    )
    with pytest.raises(KubewrightError, match=re.compile(refusal)) as caught:
        release.release(request, settings, shipped(), keys)
    assert caught.value.exit_code == 5
    assert not list(settings.dist.glob("*/packages"))
    with pytest.raises(KubewrightError, match=re.compile(refusal)):
        release.release(
            request, settings.model_copy(update={"allow_changed": ("etcd",)}), shipped(), keys
        )
    told = settings.model_copy(update={"allow_changed": (component,)})
    if component == "containerd":
        return  # its own package keeps its name, and so its bytes, until its recipe has a revision
    release.release(request, told, shipped(), keys)
    manifest = published(told, f"{request}-2")
    assert manifest.allowed_changes == (component,)
    sound(told)
    # The next release is compared with this one too.
    shutil.rmtree(told.dist)
    release.release(request, settings.model_copy(update={"revision": 3}), shipped(), keys)
    assert published(told, f"{request}-3").allowed_changes == ()


def test_the_stages_one_by_one_refuse_it_too(first: Settings, keys: Keys, tmp_path: Path) -> None:
    """sign compares with the site; publish with the site as it is by then."""
    mirror = replaced(Path(str(first.upstream)), tmp_path / "x", KUBELET, f"{KUBELET}.sha256")
    settings = first.model_copy(update={"upstream": str(mirror), "revision": 2})
    ring = keys.repo.certificate
    workspace, _ = resolve.resolve("v1.36.4", settings, shipped())
    fetch.fetch(workspace, settings, shipped())
    package.package(workspace, settings, shipped(), keys.repo, ring)
    image.image(workspace, settings, shipped())
    with pytest.raises(KubewrightError, match=r"but v1.36.4-1 has \w{64}"):
        sign.sign(workspace, settings, shipped(), keys, reading(store(settings)))
    empty = settings.model_copy(update={"site": str(tmp_path / "empty")})
    sign.sign(workspace, empty, shipped(), keys, reading(store(empty)))
    with pytest.raises(KubewrightError, match=r"but v1.36.4-1 has \w{64}"):
        publish.publish(workspace, settings, shipped(), keys)


def test_resolve_compares_with_the_locks_that_are_there(
    asked: Settings, compiled: dict[str, object], tmp_path: Path
) -> None:
    settings = asked.model_copy(update={**compiled, "allow_changed": PINNED})
    lock = locked(settings)
    assert locked(settings) == lock
    mirror = replaced(Path(str(settings.upstream)), tmp_path / "x", KUBELET, f"{KUBELET}.sha256")
    changed = settings.model_copy(update={"upstream": str(mirror)})
    kept = settings.dist / "v1.36.4-1/release.json"
    for revision in (1, 2):
        with pytest.raises(KubewrightError, match=f"now, but {kept} has "):
            locked(changed.model_copy(update={"revision": revision}))
    assert Release.from_bytes(kept.read_bytes()) == lock
    told = changed.model_copy(update={"allow_changed": ("kubernetes",)})
    assert locked(told).allowed_changes == ("kubernetes",)


def test_placeholders_are_no_digests_that_upstream_has_published(
    asked: Settings, sample_mirror: Path, keys: Keys, tmp_path: Path
) -> None:
    settings = asked.model_copy(update={"upstream": str(sample_mirror)})
    release.release("v1.36.4", settings, shipped(), keys)
    other = replaced(sample_mirror, tmp_path / "x", KUBELET, f"{KUBELET}.sha256")
    later = settings.model_copy(update={"upstream": str(other), "revision": 2, "now": NOW + 60})
    release.release("v1.36.4", later, shipped(), keys)


def test_placeholders_never_take_the_place_of_what_upstream_has_published(
    first: Settings, sample_mirror: Path, keys: Keys, tmp_path: Path
) -> None:
    other = replaced(sample_mirror, tmp_path / "x", KUBELET, f"{KUBELET}.sha256")
    sample = first.model_copy(update={"upstream": str(other), "revision": 2})
    with pytest.raises(KubewrightError, match=r"but v1.36.4-1 has \w{64}"):
        release.release("v1.36.4", sample, shipped(), keys)


def test_a_component_that_the_release_does_not_have_cannot_change(
    asked: Settings, compiled: dict[str, object]
) -> None:
    wrong = asked.model_copy(update={**compiled, "allow_changed": ("kubelet",)})
    with pytest.raises(RequestError, match=r"--allow-changed kubelet: v1.36.4-1 has no such comp"):
        locked(wrong)


class CountingReader(Reader):
    """Says how many manifests were read."""

    read = 0

    def manifest(self, path: str, sha256: str) -> Manifest:
        self.read += 1
        return super().manifest(path, sha256)


@pytest.mark.parametrize("remembers", [True, False], ids=["today's index", "an earlier index"])
def test_the_age_of_a_site_costs_nothing(first: Settings, remembers: bool) -> None:
    """The manifest of one release stands for those of a thousand."""
    reader = CountingReader(store(first))
    state = reader.present().state
    assert state is not None
    index = reader.index(state)
    (one,) = index.releases
    inputs = reader.manifest(one.manifest_url, one.manifest_sha256).inputs

    def grown(count: int) -> Index:
        kept = one if remembers else one.model_copy(update={"components": {}})
        names = (f"v1.36.4-{number}" for number in range(count, 0, -1))
        many = tuple(kept.model_copy(update={"name": name}) for name in names)
        return index.model_copy(update={"releases": many})

    costs = []
    changed = tuple(entry.model_copy(update={"sha256": "0" * 64}) for entry in inputs)
    for count, wanted in ((1, inputs), (1000, inputs), (1000, changed)):
        reader.read = 0
        known = known_inputs.published(reader, grown(count), wanted)
        assert {entry.url for entry in inputs} == known.keys()
        costs.append(reader.read)
    assert costs == [1, 1, known_inputs.MOST]


def test_the_release_that_has_a_version_is_found_among_others(first: Settings) -> None:
    """However many newer ones there are without it."""
    reader = Reader(store(first))
    state = reader.present().state
    assert state is not None
    index = reader.index(state)
    (one,) = index.releases
    inputs = reader.manifest(one.manifest_url, one.manifest_sha256).inputs
    newer = one.model_copy(
        update={
            "kubernetes": "1.99.0",
            "components": dict.fromkeys(one.components, "99.0"),
            "manifest_sha256": "0" * 64,
        }
    )
    known = known_inputs.published(
        reader, index.model_copy(update={"releases": (*[newer] * 500, one)}), inputs
    )
    assert {entry.url for entry in inputs} == known.keys()


def test_a_damaged_manifest_says_nothing_and_is_named(
    first: Settings, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    """The next release that has the version is asked; without any the publication goes on."""
    lost = Path(first.site, "releases/v1.36.4-1/manifest.json")
    second = first.model_copy(update={"revision": 2})
    release.release("v1.36.4", second, shipped(), keys)
    lost.unlink()
    reader = Reader(store(first))
    state = reader.present().state
    assert state is not None
    inputs = published(second, "v1.36.4-2").inputs
    index = reader.index(state)
    known = known_inputs.published(reader, index, inputs)
    assert {entry.url for entry in inputs} == known.keys()
    oldest = index.model_copy(update={"releases": index.releases[1:]})
    assert known_inputs.published(reader, oldest, inputs) == {}
    assert "so nothing was compared with v1.36.4-1" in caplog.text


def test_what_is_compiled_here_is_not_upstreams(first: Settings) -> None:
    reader = Reader(store(first))
    state = reader.present().state
    assert state is not None
    index = reader.index(state)
    one: IndexedRelease = index.releases[0]
    manifest = reader.manifest(one.manifest_url, one.manifest_sha256)
    own = manifest.inputs[0].model_copy(update={"check": Check.built, "sha256": "0" * 64})
    known_inputs.refuse_changed([own], (), known_inputs.published(reader, index, [own]))


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("", False),
        ("https://packages.example.org", False),
        ("http://packages.example.org", True),
        ("http://packages.example.org:8080/kubernetes", True),
        ("HTTP://packages.example.org", True),
        ("http://10.0.0.7", True),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:8080/kubernetes", False),
        ("http://127.8.8.8", False),
        ("http://localhost:8080", False),
        ("http://[::1]:8080", False),
        ("http://[2001:db8::1]:8080", True),
        ("http://[::1", True),
        ("http://127.0.0.1.example.org", True),
        ("http://localhost.example.org", True),
        ("http://127.0.0.1@example.org", True),
        ("http://example.org/127.0.0.1", True),
    ],
)
def test_an_address_is_exposed_if_others_can_answer_for_it(url: str, exposed: bool) -> None:
    assert addresses.is_exposed(url) is exposed


def test_production_keys_sign_for_an_address_without_tls_only_if_told(
    asked: Settings, compiled: dict[str, object], production: list[Keys], keys: Keys
) -> None:
    own, recipes = production[0], shipped()
    bare = asked.model_copy(update={"url": PLAIN, "valid_for": 2, **compiled})
    refusal = rf"--url {PLAIN}: without TLS .*https, or pass --allow-http"
    with pytest.raises(RequestError, match=refusal):
        release.release("v1.36.4", bare, recipes, own)
    assert not bare.dist.exists(), "it is said before anything is asked of an upstream"
    told = bare.model_copy(update={"allow_http": True})
    release.release("v1.36.4", told, recipes, own)
    page = Path(told.site, "index.html").read_text()
    assert "This address is without TLS." in page
    workspace = Workspace(told.dist / "v1.36.4-1")
    late = {"now": NOW + 86_400 * 3 // 2}
    attempts: dict[str, Callable[[Settings], object]] = {
        "publish": lambda one: publish.publish(workspace, one, recipes, own),
        "refresh": lambda one: channels.refresh(one, recipes, own),
        "rollback": lambda one: channels.rollback("stable", one, recipes, own, 1),
    }
    for attempt in attempts.values():
        with pytest.raises(RequestError, match=refusal):
            attempt(bare.model_copy(update=late))
    attempts["refresh"](told.model_copy(update=late))
    (workspace.root / "sign.json").unlink()
    with pytest.raises(RequestError, match=refusal):
        sign.sign(workspace, bare, recipes, own, reading(store(told)))


def test_development_keys_are_not_asked_for_tls_and_the_page_says_where_it_matters(
    asked: Settings, sample_mirror: Path, keys: Keys
) -> None:
    for number, (url, said) in enumerate(((PLAIN, True), (HERE, False))):
        settings = asked.model_copy(
            update={"url": url, "upstream": str(sample_mirror), "site": f"{asked.site}{number}"}
        )
        release.release("v1.36.4", settings, shipped(), keys)
        page = Path(settings.site, "index.html").read_text()
        assert ("This address is without TLS." in page) is said

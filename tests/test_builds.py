"""Built things: what each package and image layer is made from, and that nothing else is built."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from debian.debfile import DebFile

from kubewright import rpmfile
from kubewright.cli.shipped import shipped
from kubewright.models.artifact import Package
from kubewright.models.build import Built
from kubewright.models.lock import Release
from kubewright.packagers.plan import Circumstances, materials, plan
from kubewright.packing.levels import described
from kubewright.settings import Settings
from kubewright.signing.keys import initialise
from kubewright.workspace import Workspace

ROOT = Path(__file__).parent.parent
NAME = "v1.36.4-1"
NOW = 1_790_000_000


@dataclass(frozen=True)
class Checkout:
    """A copy of the project with a release of its own; `kubewright` runs from this copy."""

    root: Path
    mirror: Path

    @property
    def dist(self) -> Path:
        return self.root / "dist" / NAME

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kubewright", *words],
            cwd=self.root, env={"PYTHONPATH": str(self.root / "src"), "HOME": str(self.root),
                                "PATH": "/usr/bin:/bin", "COLUMNS": "500",
                                "KUBEWRIGHT_UPSTREAM": str(self.mirror)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def do(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def comment(self, name: str) -> None:
        path = self.root / name
        path.write_text(path.read_text() + "# a comment more\n")

    def packages(self) -> dict[str, int]:
        """When each package was written, by the id of its build."""
        written = {}
        for note in self.dist.glob("packages/*/*.build.json"):
            built = Built[Package].from_bytes(note.read_bytes())
            written[built.build.id] = (self.dist / built.product.path).stat().st_mtime_ns
        return written

    def blobs(self) -> dict[str, int]:
        """The inode of each blob of the layout."""
        return {path.name: path.stat().st_ino for path in self.dist.glob("images/layout/blobs/*/*")}


def both(*names: str) -> set[str]:
    return {f"{form}/{name}" for form in ("deb", "rpm") for name in names}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, sample_mirror: Path) -> Checkout:
    """A checkout whose packages and images are built; tests only read it."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("src", "recipes", "packaging", "images", "repo", "docs"):
        shutil.copytree(ROOT / name, root / name)
    (root / "kubewright.toml").write_text(f'cache = "cache"\narch = "amd64"\nnow = {NOW}\n')
    checkout = Checkout(root, sample_mirror)
    for words in (("resolve", "v1.36.4"), ("fetch",), ("package",), ("image",)):
        checkout.do(*words)
    return checkout


@pytest.fixture
def checkout(made: Checkout, tmp_path: Path) -> Checkout:
    """A copy of it to change."""
    shutil.copytree(made.root, tmp_path / "checkout", symlinks=True)
    return Checkout(tmp_path / "checkout", made.mirror)


def nothing(_: Checkout) -> None:
    """Change nothing."""


def another_key_on_the_site(checkout: Checkout) -> None:
    keys = initialise(checkout.root / "keys", "Other <o@example.org>", now=NOW, expires_days=None)
    checkout.do(
        "release", "v1.36.4", "--dist", "elsewhere", "--repo-key", f"file:{keys.repo_secret}",
        "--artifact-key", f"file:{keys.artifact_secret}", "--allow-development",
        "--freshness-key", f"file:{keys.freshness_secret}", "--root", str(keys.root),
    )  # fmt: skip


CHANGES: dict[str, tuple[Callable[[Checkout], None], tuple[str, ...], set[str]]] = {
    "nothing": (nothing, (), set()),
    "a comment in one postinst": (
        lambda at: at.comment("packaging/kubernetes-node/configure.sh"),
        (),
        both("kubernetes-node/all"),
    ),
    "a comment in a unit": (
        lambda at: at.comment("packaging/kubelet/kubelet.service"),
        (),
        both("kubelet/amd64"),
    ),
    "a comment in a recipe": (lambda at: at.comment("recipes/packages/etcd.toml"), (), set()),
    "the summary of a recipe": (
        lambda at: at.edit("recipes/packages/etcd.toml", 'summary = "', 'summary = "The '),
        (),
        both("etcd/amd64"),
    ),
    "another key on the site": (
        another_key_on_the_site,
        ("--trust", "keys/repo-key.pub.asc"),
        both("kubewright-archive-keyring/all"),
    ),
    "another address of the site": (
        nothing,
        ("--url", "http://127.0.0.1:8080"),
        both("kubewright-archive-keyring/all"),
    ),
    "another registry": (
        nothing,
        ("--registry", "registry.example.org/k8s"),
        both(
            "kubernetes-node/all",
            "kubernetes-runtime-containerd/all",
            "kubernetes-runtime-docker/all",
        ),
    ),
    "a file for rpms only": (
        lambda at: at.comment("packaging/kubewright-archive-keyring/RPM-GPG-KEY-kubewright.j2"),
        (),
        {"rpm/kubewright-archive-keyring/all"},
    ),
    "an image": (lambda at: at.comment("images/hyperkube/hyperkube"), (), set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_just_the_packages_that_a_change_decides_are_built_again(
    checkout: Checkout, change: str
) -> None:
    act, options, expected = CHANGES[change]
    before = checkout.packages()
    act(checkout)
    checkout.do("package", *options)
    after = checkout.packages()
    assert after.keys() == before.keys()
    again = {name for name, written in after.items() if before[name] != written}
    assert again == expected
    record = Workspace(checkout.dist).record("package")
    assert record is not None
    assert record.complete
    assert len(record.packages) == len(after)


def test_what_is_kept_and_built_again_equals_what_is_built_anew(checkout: Checkout) -> None:
    checkout.comment("packaging/kubernetes-node/configure.sh")
    checkout.comment("images/hyperkube/hyperkube")
    for words in (("resolve", "v1.36.4"), ("fetch",), ("package",), ("image",)):
        checkout.do(*words)
    kept = {
        path.relative_to(checkout.dist): path.read_bytes()
        for path in checkout.dist.rglob("*")
        if path.is_file()
    }
    shutil.rmtree(checkout.root / "dist")
    for words in (("resolve", "v1.36.4"), ("fetch",), ("package",), ("image",)):
        checkout.do(*words)
    for path, data in kept.items():
        assert (checkout.dist / path).read_bytes() == data, path
    assert len(kept) == sum(path.is_file() for path in checkout.dist.rglob("*"))


def test_an_input_that_changed_is_built_into_its_packages_only(
    checkout: Checkout, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(checkout.mirror, mirror)
    kubelet = mirror / "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet"
    kubelet.write_bytes(kubelet.read_bytes() + b"\n")
    listed = subprocess.run(
        ["sha256sum", kubelet], check=True, capture_output=True, text=True
    ).stdout  # fmt: skip
    kubelet.with_name("kubelet.sha256").write_text(listed.split()[0])
    before, blobs = checkout.packages(), checkout.blobs()
    changed = Checkout(checkout.root, mirror)
    for words in (("resolve", "v1.36.4"), ("fetch",), ("package",), ("image",)):
        changed.do(*words)
    after = checkout.packages()
    assert {name for name in after if after[name] != before[name]} == both("kubelet/amd64")
    kept = {name for name, inode in checkout.blobs().items() if blobs.get(name) == inode}
    assert kept, "layers without the kubelet are not written again"
    assert kept < checkout.blobs().keys()


def test_layers_that_a_change_does_not_decide_are_kept(checkout: Checkout) -> None:
    layers = {
        json.loads(note.read_text())["product"]["digest"].removeprefix("sha256:")
        for note in checkout.dist.glob("images/builds/layer/*/*.json")
    }
    before = checkout.blobs()
    assert layers <= before.keys()
    checkout.do("image", "--registry", "registry.example.org/k8s")
    after = checkout.blobs()
    assert {name: after[name] for name in layers} == {name: before[name] for name in layers}
    checkout.comment("images/hyperkube/hyperkube")
    checkout.do("image", "--registry", "registry.example.org/k8s")
    kept = {name for name in layers if checkout.blobs().get(name) == before[name]}
    assert len(kept) == len(layers) - 1, "the dispatcher's layer is another one"


def test_a_run_that_was_cut_short_is_gone_on_with(checkout: Checkout) -> None:
    before = checkout.packages()
    (checkout.dist / "package.json").unlink()
    (checkout.dist / "packages/deb/kubelet_1.36.4-1_amd64.deb").unlink()
    checkout.do("package")
    after = checkout.packages()
    assert {name for name in after if after[name] != before[name]} == {"deb/kubelet/amd64"}


def test_what_is_damaged_is_built_again_and_nothing_else(checkout: Checkout) -> None:
    before = checkout.packages()
    package = checkout.dist / "packages/rpm/kubectl-1.36.4-1.x86_64.rpm"
    package.write_bytes(package.read_bytes()[:-1] + b"x")
    note = checkout.dist / "packages/deb/kubelet_1.36.4-1_amd64.deb.build.json"
    note.write_text('{"of": "another version"}')
    checkout.do("package")
    after = checkout.packages()
    again = {name for name in after if after[name] != before[name]}
    assert again == {"rpm/kubectl/amd64", "deb/kubelet/amd64"}
    blobs = checkout.blobs()
    layer = json.loads(next(checkout.dist.glob("images/builds/layer/etcd/*")).read_text())
    blob = checkout.dist / "images/layout/blobs" / layer["product"]["digest"].replace(":", "/")
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    checkout.do("image")
    assert {name for name, inode in checkout.blobs().items() if blobs.get(name) == inode}
    checkout.do("sign")


def test_another_version_of_the_compressor_is_said_and_builds_again(checkout: Checkout) -> None:
    before = {path: path.read_bytes() for path in checkout.dist.glob("packages/*/*")}
    other = "1.5.6 level 3 window 23"
    for path in before:
        if path.suffix == ".json":
            built = Built[Package].from_bytes(path.read_bytes())
            build = built.build.model_copy(update={"tools": built.build.tools | {"zstd": other}})
            changed = built.model_copy(update={"build": build, "digest": build.digest})
            path.write_bytes(changed.to_bytes())
    (checkout.dist / "package.json").unlink()
    said = checkout.do("package")
    sentence = f"packages made by zstd {other} are built again by {described('fast')}, and may"
    assert said.count(sentence) == 1
    assert {path: path.read_bytes() for path in before} == before


def test_the_level_is_asked_for_or_follows_from_the_key(checkout: Checkout) -> None:
    def level() -> str:
        builders = Workspace(checkout.dist).sealed("package").builders
        return next(builder.version for builder in builders if builder.name == "zstd")

    assert level() == described("fast"), "a development key"
    checkout.do("package", "--compression", "small")
    assert level() == described("small")
    keys = initialise(checkout.root / "keys", "Other <o@example.org>", now=NOW, expires_days=None)
    certificate = f"file:{keys.repo_public}"
    checkout.do("package", "--repo-key", certificate)
    assert level() == described("small"), "a key of a person"
    checkout.do("package", "--repo-key", certificate, "--compression", "fast")
    assert level() == described("fast")


def test_packages_name_who_maintains_them(checkout: Checkout) -> None:
    before = checkout.packages()
    checkout.do("package", "--maintainer", "Example Releases <releases@example.org>")
    assert all(checkout.packages()[name] != before[name] for name in before)
    folder = checkout.dist / "packages"
    with DebFile(folder / "deb/kubectl_1.36.4-1_amd64.deb") as deb:
        assert deb.debcontrol()["Maintainer"] == "Example Releases <releases@example.org>"
    data = (folder / "rpm/kubectl-1.36.4-1.x86_64.rpm").read_bytes()
    main = rpmfile.headers(io.BytesIO(data), len(data)).main
    assert main.strings(1015) == [b"Example Releases <releases@example.org>"]
    assert main.strings(1011) == [b"Example Releases"]


@pytest.mark.parametrize("name", ["Nobody", "<a@b>", "A B <a>", "A <a@b>\nX: y", "A <a@b@c>", ""])
def test_a_maintainer_without_name_or_address_is_refused(made: Checkout, name: str) -> None:
    done = made.run("package", "--maintainer", name)
    assert done.returncode == 2
    assert "write it like 'Example Releases <releases@example.org>'" in done.stderr


def test_parts_that_were_built_one_by_one_become_the_whole(checkout: Checkout) -> None:
    shutil.rmtree(checkout.dist / "packages")
    workspace = Workspace(checkout.dist)
    whole = workspace.record("package")
    (checkout.dist / "package.json").unlink()
    for only, complete in (("kubelet", False), ("kube[!l]*", False), ("[!k]*", True)):
        checkout.do("package", "--only", only)
        record = workspace.record("package")
        assert record is not None
        assert record.complete is complete, only
    checkout.do("package", "--only", "kubelet")
    assert workspace.record("package") == whole


def test_each_built_thing_says_what_it_was_made_from(made: Checkout) -> None:
    workspace = Workspace(made.dist)
    release, packages = workspace.completed(), workspace.sealed("package")
    digests = {entry.id: entry.sha256 for entry in release.inputs}
    for package in packages.packages:
        note = f"{package.path}.build.json"
        built = Built[Package].from_bytes((made.dist / note).read_bytes())
        assert built.product == package
        assert built.digest == built.build.digest
        assert note in packages.files
        inputs = {name: digest for name, digest in built.build.inputs.items() if "/" in name}
        assert all(digests.get(name, digest) == digest for name, digest in inputs.items())
        assert built.build.tools.keys() == {"zstd", "kubewright"}
    kubelet = Built[Package].from_bytes(
        (made.dist / "packages/deb/kubelet_1.36.4-1_amd64.deb.build.json").read_bytes()
    )
    assert kubelet.build.inputs.keys() == {"kubernetes/kubelet amd64"}
    assert "packaging/kubelet/kubelet.service" in kubelet.build.content
    images = workspace.sealed("image")
    notes = {path.removeprefix("images/builds/") for path in images.files if "builds/" in path}
    kinds = {note.split("/")[0] for note in notes}
    assert kinds == {"layer", "image", "archive"}
    assert "image/kube-apiserver/amd64.build.json" in notes


def test_another_tool_or_version_builds_everything_again(
    released: Settings, keys_of_templates: dict[str, object]
) -> None:
    release = Workspace(released.dist / NAME).completed()
    everything = plan(release, shipped().packages.values(), shipped().components)
    planned = [package for package in everything if package.gap(release) is None]
    one, other = (
        Circumstances(shipped().root, b"keyring", keys_of_templates, {"zstd": version})
        for version in ("1", "2")
    )
    digests = [{materials(each, release, around).digest for each in planned}
               for around in (one, one, other)]  # fmt: skip
    assert digests[0] == digests[1]
    assert len(digests[0]) == len(planned), "no two packages are built from the same"
    assert not digests[0] & digests[2]


@pytest.fixture
def keys_of_templates(released: Settings) -> dict[str, object]:
    release: Release = Workspace(released.dist / NAME).release()
    names = ("registry", "site_url", "channel", "key_name", "key_armored")
    return {name: name for name in names} | {
        "key_date": "2026.09.21",
        "node_spec": shipped().node_spec(release),
    }


def test_a_worker_with_the_certificate_alone_builds_what_the_keys_then_sign(
    checkout: Checkout,
) -> None:
    secret = checkout.root / "secret"
    checkout.do("key", "init", "keys")
    secret.mkdir()
    for name in ("repo-key.asc", "artifact-key.pem"):
        (checkout.root / "keys" / name).rename(secret / name)
    checkout.do("package", "--repo-key", "file:keys/repo-key.pub.asc")
    by_worker = checkout.packages()
    secret_key = ("--repo-key", "file:secret/repo-key.asc")
    checkout.do("package", *secret_key)
    assert checkout.packages() == by_worker, "both halves of the key name the same certificate"
    signing = (*secret_key, "--artifact-key", "file:secret/artifact-key.pem")
    refused = checkout.run("sign", *signing)
    assert (refused.returncode, "a sample mirror's placeholder" in refused.stderr) == (2, True)
    checkout.do("sign", *signing, "--allow-development")
    refused = checkout.run("sign", "--repo-key", "file:keys/repo-key.pub.asc")
    assert (refused.returncode, "secret key" in refused.stderr) == (2, True)


def test_an_edit_after_resolve_is_built_and_explained_but_not_signed(checkout: Checkout) -> None:
    checkout.comment("packaging/kubernetes-node/configure.sh")
    said = checkout.do("package")
    assert (
        "the recipes or content have changed since the lock was resolved; before you sign, run "
        "`kubewright release v1.36.4`" in said
    )
    refused = checkout.run("sign")
    assert refused.returncode == 2
    assert (
        "made from other recipes or content than release.json was resolved from" in refused.stderr
    )
    before = checkout.packages()
    checkout.do("resolve", "v1.36.4")
    for verb in ("fetch", "package", "image", "sign"):
        checkout.do(verb)
    assert checkout.packages() == before, "only the records are written again"


def test_a_release_after_an_edit_just_works(checkout: Checkout) -> None:
    checkout.comment("packaging/kubernetes-node/configure.sh")
    before = checkout.packages()
    checkout.do("release", "v1.36.4")
    after = checkout.packages()
    assert {name for name in after if after[name] != before[name]} == both("kubernetes-node/all")

"""Images from their definition: what is built, what is skipped and why, and the dispatcher
itself.
"""

import gc
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import tarfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from kubewright import recipes
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError, ToolMissing, VerificationFailed
from kubewright.images import ImageInputs, build, check_layout, load
from kubewright.images.elf import objection
from kubewright.images.layer_entries import LayerSources, entries
from kubewright.models.base import Arch
from kubewright.models.image import ImageDefinition, ImageRecord, LayerDefinition, LayerFile
from kubewright.models.lock import Component, Release, Unavailable

IMAGES = shipped().images
DISPATCHER = IMAGES / "hyperkube" / "hyperkube"
EPOCH = 1_755_000_000
VERSIONS = {
    "kubernetes": "1.36.4",
    "etcd": "3.6.8",
    "coredns": "1.14.2",
    "pause": "3.10.2",
    "busybox": "1.38.0",
}

Inputs = Callable[[str, str, Arch], Path | None]


def elf(arch: Arch | int, *, interpreter: bool = False, order: str = "<") -> bytes:
    """The head of a program with one program header, and a little more; for an architecture or a
    number of ELF's.
    """
    machine = arch if isinstance(arch, int) else {Arch.amd64: 62, Arch.arm64: 183}[arch]
    header = b"\x7fELF\x02" + (b"\x02" if order == ">" else b"\x01") + b"\x01" + bytes(9)
    header += struct.pack(
        f"{order}HHIQQQIHHHHHH", 2, machine, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    return header + struct.pack(f"{order}I", 3 if interpreter else 1) + bytes(200)


@pytest.fixture
def definition() -> ImageDefinition:
    return recipes.load(IMAGES / "hyperkube" / "image.toml", ImageDefinition)


@pytest.fixture
def release() -> Release:
    return Release(
        name="v1.36.4-1",
        kubernetes="1.36.4",
        revision=1,
        source_date_epoch=EPOCH,
        architectures=(Arch.amd64, Arch.arm64),
        components=tuple(
            Component(
                name=name, version=version, range="", status="validated", reason="", epoch=EPOCH
            )
            for name, version in VERSIONS.items()
        ),
        unavailable=(
            Unavailable(
                component="coredns", name="coredns", arch=Arch.arm64, reason="not in this mirror"
            ),
        ),
    )


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Small programs for both architectures; CoreDNS for amd64 alone."""
    folder = tmp_path / "inputs"

    def find(component: str, name: str, arch: Arch) -> Path | None:
        if (component, arch) == ("coredns", Arch.arm64):
            return None
        path = folder / f"{component}-{name}-{arch}"
        folder.mkdir(exist_ok=True)
        program = elf(arch) + f"{component}/{name} {arch}".encode()
        if component == "etcd":
            members = {
                f"etcd-v3.6.8-linux-{arch}/{one}": program + one.encode()
                for one in ("etcd", "etcdctl", "etcdutl")
            }
            return archive(path, {"etcd-v3.6.8-linux-README.md": b"", **members})
        if component == "busybox":
            return archive(path, {"bin/[": program})
        if component == "coredns":
            return archive(path, {"./coredns": program})
        path.write_bytes(program)
        return path

    return find


def make(definition: ImageDefinition, release: Release, inputs: Inputs, root: Path) -> ImageRecord:
    return build(
        definition,
        release,
        inputs,
        registry="registry.test/kube",
        dest=root / "layout",
        archives=root / "archives",
        content=IMAGES,
    )


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_every_image_has_kubeadms_name_and_tag(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    record = make(definition, release, inputs, tmp_path)
    assert {image.reference.removeprefix("registry.test/kube/") for image in record.images} == {
        "hyperkube:v1.36.4",
        "kube-apiserver:v1.36.4",
        "kube-controller-manager:v1.36.4",
        "kube-scheduler:v1.36.4",
        "kube-proxy:v1.36.4",
        "kubectl:v1.36.4",
        "etcd:3.6.8-0",
        "pause:3.10.2",
        "coredns:v1.14.2",
    }
    assert [image.name for image in record.images] == sorted(image.name for image in record.images)
    assert {archive.name for archive in record.archives} == {
        "hyperkube-v1.36.4-linux-amd64.tar", "hyperkube-v1.36.4-linux-arm64.tar",
    }  # fmt: skip
    assert list(check_layout(tmp_path / "layout")) == []
    for one in record.archives:
        assert list(check_layout(tmp_path / "archives" / one.name)) == []


def test_an_image_without_its_input_is_skipped_with_the_reason(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    record = make(definition, release, inputs, tmp_path)
    assert [(one.name, one.arch, one.reason) for one in record.skipped] == [
        ("coredns", "arm64", "coredns/coredns: not in this mirror")
    ]
    [coredns] = [image for image in record.images if image.name == "coredns"]
    assert [platform.arch for platform in coredns.platforms] == ["amd64"]


def test_images_share_the_bytes_of_their_programs(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    images = {image.name: image for image in make(definition, release, inputs, tmp_path).images}
    everything = set(images["hyperkube"].platforms[0].layers)
    for name in ("kube-apiserver", "kubectl", "etcd", "pause"):
        assert set(images[name].platforms[0].layers) < everything


def test_two_builds_are_byte_identical(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    first = make(definition, release, inputs, tmp_path / "first")
    second = make(definition, release, inputs, tmp_path / "second")
    assert first == second
    assert tree(tmp_path / "first") == tree(tmp_path / "second")


def test_building_again_leaves_nothing_of_the_build_before(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    other = release.model_copy(update={"kubernetes": "1.36.3"})
    make(definition, other, inputs, tmp_path / "here")
    shutil.rmtree(tmp_path / "here" / "archives")
    make(definition, release, inputs, tmp_path / "here")
    make(definition, release, inputs, tmp_path / "there")
    assert tree(tmp_path / "here") == tree(tmp_path / "there")


def test_a_patch_release_leaves_the_images_of_unchanged_companions_as_they_were(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    kubernetes, *companions = release.components
    patch = kubernetes.model_copy(update={"version": "1.36.5", "epoch": EPOCH + 86400})
    dated = {
        "kubernetes": "1.36.5",
        "source_date_epoch": EPOCH + 86400,
        "components": (patch, *companions),
    }
    later = release.model_copy(update=dated)
    first, second = (make(definition, one, inputs, tmp_path / one.tag) for one in (release, later))
    same = {
        one.name
        for one, other in zip(first.images, second.images, strict=True)
        if one.index == other.index
    }
    assert same == {"coredns", "etcd", "pause"}
    layers = []
    for record in (first, second):
        [hyperkube] = [image for image in record.images if image.name == "hyperkube"]
        layers.append({layer.digest for layer in hyperkube.platforms[0].layers})
    assert len(layers[0] & layers[1]) == 3, "root, dispatcher and etcd"


def test_the_registry_names_images_but_is_not_in_their_bytes(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    first = make(definition, release, inputs, tmp_path / "first")
    second = build(
        definition, release, inputs, registry="localhost:5000",
        dest=tmp_path / "layout", archives=tmp_path, content=IMAGES,
    )  # fmt: skip
    assert [image.index for image in first.images] == [image.index for image in second.images]
    assert second.images[0].reference == "localhost:5000/coredns:v1.14.2"


def test_a_registry_that_cannot_be_one_is_refused(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=r"--registry: 'registry.test/'"):
        build(
            definition, release, inputs, registry="registry.test/",
            dest=tmp_path / "layout", archives=tmp_path, content=IMAGES,
        )  # fmt: skip


def test_a_pattern_means_all_members_below_the_target(
    release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    source = "input:etcd/archive!etcd-v{version}-linux-{arch}/etcd*"
    layer = LayerDefinition(files=(LayerFile(target="/usr/local/bin", source=source),))
    sources = LayerSources(ImageInputs(inputs), IMAGES, tmp_path)
    made = entries(layer, Arch.amd64, release, sources)
    assert [entry.path for entry in made] == [
        f"usr/local/bin/{name}" for name in ("etcd", "etcdctl", "etcdutl")
    ]


@pytest.mark.parametrize(
    ("members", "damage", "found"),
    [
        ({"coredns_readme": b""}, 0, "has no file 'coredns'"),
        ({"coredns": elf(Arch.amd64) + os.urandom(5000)}, 2000, "not a readable archive"),
    ],
    ids=["without-the-member", "truncated"],
)
def test_a_wrong_archive_is_named_and_leaves_nothing(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path,
    members: dict[str, bytes], damage: int, found: str,
) -> None:  # fmt: skip
    wrong = archive(tmp_path / "coredns.tgz", members)
    data = wrong.read_bytes()
    wrong.write_bytes(data[: damage or len(data)])

    def find(component: str, name: str, arch: Arch) -> Path | None:
        return wrong if component == "coredns" else inputs(component, name, arch)

    with pytest.raises(VerificationFailed, match=found) as caught:
        make(definition, release, find, tmp_path)
    assert caught.value.place == f"coredns/coredns ({wrong.name})"
    assert not (tmp_path / "layout").exists()
    assert not (tmp_path / "archives").exists()


def test_an_input_that_changes_while_it_is_read_leaves_the_old_layout(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    make(definition, release, inputs, tmp_path)
    before = tree(tmp_path / "layout")

    def find(component: str, name: str, arch: Arch) -> Path | None:
        if component == "coredns":  # the last to be looked up: kubelet has been measured by then
            os.truncate(tmp_path / "inputs" / "kubernetes-kubelet-amd64", 10)
        return inputs(component, name, arch)

    with pytest.raises(VerificationFailed, match="usr/local/bin/kubelet: 10 bytes where"):
        make(definition, release, find, tmp_path)
    assert tree(tmp_path / "layout") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archives", "inputs", "layout"]


def test_a_dynamic_program_is_refused_except_where_the_definition_allows_it(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    def find(component: str, name: str, arch: Arch) -> Path | None:
        path = inputs(component, name, arch)
        if path is not None and name in ("kubelet", "kube-proxy"):
            path.write_bytes(elf(arch, interpreter=True))
        return path

    record = make(definition, release, find, tmp_path)
    reasons = {one.name: one.reason for one in record.skipped if one.arch == "amd64"}
    assert set(reasons) == {"hyperkube", "kube-proxy"}
    assert (
        reasons["kube-proxy"]
        == "kubernetes/kube-proxy is linked dynamically, and the image has no C library"
    )


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (elf(Arch.amd64), None),
        (b"#!/bin/sh\n", None),
        (elf(Arch.arm64), "is not for amd64 (ELF machine 183)"),
        (
            elf(Arch.amd64, interpreter=True),
            "is linked dynamically, and the image has no C library",
        ),
        (elf(22, order=">"), "is not for amd64 (ELF machine 22, big-endian)"),
        (elf(Arch.amd64, order=">"), "is not for amd64 (ELF machine 62, big-endian)"),
        (b"\x7fELF\x01\x01" + bytes(100), "is not a 64-bit program"),
        (elf(Arch.amd64)[:50], "is a damaged program"),
    ],
    ids=[
        "static", "script", "other-processor", "dynamic", "s390x", "other-order", "32-bit",
        "damaged",
    ],
)  # fmt: skip
def test_what_cannot_run_is_told_by_its_head(head: bytes, reason: str | None) -> None:
    assert objection(head, Arch.amd64, loader=False) == reason


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('layers = ["root", "etcd"]', 'layers = ["root", "etdc"]', "image etcd: no layer 'etdc'"),
        (
            'entrypoint = ["/pause"]',
            'entrypoint = ["/stop"]',
            "image pause: its layers have no /stop",
        ),
        ('"/tmp"', '"tmp"', "'tmp' is not a plain absolute path"),
        (
            '"/bin/ln" = "/bin/busybox"',
            '"/bin/ln" = "/bin/toybox"',
            "hard link /bin/ln: /bin/toybox is not a file",
        ),
        ('"/apiserver" =', '"/tmp" =', "image hyperkube: in two of its layers: /tmp"),
        ('user = "65535:65535"', 'user = "nobody"', "images.pause.user"),
        ("flavour =", "flavor =", "did you mean 'flavour'?"),
    ],
    ids=["layer", "entry-point", "path", "hard-link", "twice", "user", "key"],
)
def test_a_mistake_in_the_definition_is_named(
    tmp_path: Path, old: str, new: str, found: str
) -> None:
    text = (IMAGES / "hyperkube" / "image.toml").read_text()
    assert old in text
    (tmp_path / "image.toml").write_text(text.replace(old, new))
    with pytest.raises(RequestError) as caught:
        recipes.load(tmp_path / "image.toml", ImageDefinition)
    assert found in str(caught.value)


def test_only_coredns_has_a_capability_and_only_pause_and_coredns_are_not_root(
    definition: ImageDefinition,
) -> None:
    for name, layer in definition.layers.items():
        capabilities = {file.capability for file in layer.files} - {None}
        assert capabilities == ({"cap_net_bind_service"} if name == "coredns" else set())
    assert {
        name: image.user for name, image in definition.images.items() if image.user != "0:0"
    } == {
        "pause": "65535:65535",
        "coredns": "65532:65532",
    }


# docker forgets to close its socket.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_loading_without_an_engine_says_what_to_do(
    definition: ImageDefinition,
    release: Release,
    inputs: Inputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = make(definition, release, inputs, tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(ToolMissing, match=r"no engine answers .* set DOCKER_HOST"):
        load(tmp_path / "archives" / record.archives[0].name)
    gc.collect()


def test_an_archive_that_was_changed_is_not_loaded(
    definition: ImageDefinition, release: Release, inputs: Inputs, tmp_path: Path
) -> None:
    record = make(definition, release, inputs, tmp_path)
    path = tmp_path / "archives" / record.archives[0].name
    data = bytearray(path.read_bytes())
    data[data.index(b"\x1f\x8b\x08") + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(VerificationFailed, match="its digest is sha256:"):
        load(path)


@pytest.mark.parametrize("arch", Arch.usual())
def test_skopeo_finds_each_image_by_name(
    definition: ImageDefinition,
    release: Release,
    inputs: Inputs,
    tmp_path: Path,
    tool: Callable[[str], Path],
    arch: Arch,
) -> None:
    skopeo = str(tool("skopeo"))
    images = make(definition, release, inputs, tmp_path).images
    for image in (image for image in images if image.name != "coredns"):
        name = f"oci:{tmp_path}/layout:{image.name}:{image.tag}"
        found = json.loads(
            said([skopeo], "inspect", "--override-os=linux", f"--override-arch={arch}", name)
        )
        platform = next(platform for platform in image.platforms if platform.arch == arch)
        assert found["Layers"] == [layer.digest for layer in platform.layers]
        assert found["Labels"]["org.opencontainers.image.version"] == image.tag


# ── The dispatcher ───────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["dash", "busybox sh"], ids=["dash", "busybox"])
def hyperkube(
    request: pytest.FixtureRequest, tool: Callable[[str], Path], tmp_path: Path
) -> list[str]:
    """The dispatcher beside a few programs, as an argv under one shell."""
    shell = [
        str(tool(word)) if number == 0 else word
        for number, word in enumerate(request.param.split())
    ]
    here = tmp_path / "bin"
    here.mkdir()
    shutil.copy(DISPATCHER, here / "hyperkube")
    for name in ("kubelet", "kubectl", "kube-apiserver", "etcdctl"):
        (here / name).write_text(
            f'#!/bin/sh\necho "{name}:" "$#" "$@"\necho more\nexit "${{CODE:-0}}"\n'
        )
        (here / name).chmod(0o755)
    return [*shell, str(here / "hyperkube")]


def said(argv: list[str], *arguments: str, code: int = 0, **env: str) -> str:
    """What a command prints, both streams, when it ends with `code`."""
    done = subprocess.run(
        [*argv, *arguments],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | env,
        timeout=30,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def test_the_dispatcher_passes_arguments_and_the_exit_code_on(hyperkube: list[str]) -> None:
    assert (
        said(hyperkube, "kubelet", "--a b", "*", "", code=7, CODE="7")
        == "kubelet: 3 --a b * \nmore\n"
    )


@pytest.mark.parametrize(
    ("link", "program"),
    [("kubelet", "kubelet"), ("kube-apiserver", "kube-apiserver"), ("apiserver", "kube-apiserver")],
    ids=["name", "long-name", "historical"],
)
def test_the_dispatcher_goes_by_the_name_it_is_called(
    hyperkube: list[str], tmp_path: Path, link: str, program: str
) -> None:
    (tmp_path / link).symlink_to(hyperkube[-1])
    assert said([*hyperkube[:-1], str(tmp_path / link)], "--x") == f"{program}: 1 --x\nmore\n"
    assert said(hyperkube, link, "--x") == f"{program}: 1 --x\nmore\n"


def test_the_dispatcher_lists_what_is_here(hyperkube: list[str]) -> None:
    assert said(hyperkube, "--list").split() == [
        "kube-apiserver",
        "kubelet",
        "kubectl",
        "etcdctl",
        "pause",
    ]


def test_a_complete_image_lists_all_its_components(
    hyperkube: list[str], definition: ImageDefinition
) -> None:
    components = definition.images["hyperkube"].components
    for name in components[:-1]:
        shutil.copy(DISPATCHER, Path(hyperkube[-1]).parent / name)
    assert tuple(said(hyperkube, "--list").split()) == components


@pytest.mark.parametrize("name", ["kubelett", "kube-proxy", "ls", "../kubelet"])
def test_an_unknown_program_is_refused_with_what_there_is(hyperkube: list[str], name: str) -> None:
    expected = (
        f"hyperkube: there is no program '{name}' here, only: kube-apiserver kubelet kubectl "
        "etcdctl pause\n"
    )
    assert said(hyperkube, name, code=2) == expected


def test_usage_is_an_error_unless_asked_for(hyperkube: list[str]) -> None:
    asked = subprocess.run([*hyperkube, "--help"], check=True, capture_output=True, text=True)
    assert asked.stdout.startswith("Usage: hyperkube PROGRAM")
    assert not asked.stderr
    assert said(hyperkube, code=2) == asked.stdout
    assert (
        said(hyperkube, "--wrong", code=2)
        == "hyperkube: there is no option '--wrong'; see hyperkube --help\n"
    )


def test_versions_are_one_line_each(hyperkube: list[str]) -> None:
    assert said(hyperkube, "--version").splitlines() == [
        "kube-apiserver           kube-apiserver: 1 --version",
        "kubelet                  kubelet: 1 --version",
        "kubectl                  kubectl: 2 version --client",
        "etcdctl                  etcdctl: 1 version",
        "pause                    built into hyperkube",
    ]
    assert "kubelet                  does not run here (exit code 3)" in said(
        hyperkube, "--version", code=1, CODE="3"
    )


def test_symlinks_are_made_once_and_never_over_something_else(
    hyperkube: list[str], tmp_path: Path
) -> None:
    links = tmp_path / "links"
    assert "no such directory" in said(hyperkube, "--make-symlinks", str(links), code=2)
    links.mkdir()
    for _ in range(2):
        assert said(hyperkube, "--make-symlinks", str(links)) == ""
    assert {path.name: str(path.readlink()) for path in links.iterdir()} == dict.fromkeys(
        ["kube-apiserver", "kubelet", "kubectl", "etcdctl", "pause"], hyperkube[-1]
    )
    assert said([*hyperkube[:-1], str(links / "kubelet")]) == "kubelet: 0\nmore\n"
    assert said(hyperkube, "--make-symlinks", str(Path(hyperkube[-1]).parent)) == ""
    (links / "kubelet").unlink()
    (links / "kubelet").write_text("somebody's")
    assert "is something else" in said(hyperkube, "--make-symlinks", str(links), code=1)
    assert (links / "kubelet").read_text() == "somebody's"


def test_a_program_that_cannot_start_is_explained(hyperkube: list[str]) -> None:
    (Path(hyperkube[-1]).parent / "kubelet").write_text("#!/no/such/loader\n")
    assert "hyperkube: kubelet: built for another processor, or for a C library" in said(
        hyperkube, "kubelet", code=127
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_pause_waits_until_it_is_told_to_end(hyperkube: list[str], number: signal.Signals) -> None:
    # Where the tests run in the background of a script, the shell has told them to ignore SIGINT.
    default = ["env", f"--default-signal={number.name.removeprefix('SIG')}"]
    with subprocess.Popen([*default, *hyperkube, "pause"], start_new_session=True) as process:
        try:
            until(lambda: sleeper(process.pid) != "")
            child = sleeper(process.pid)
            process.send_signal(number)
            assert process.wait(10) == 0
        finally:
            process.kill()
    until(lambda: ended(child))


def test_pause_says_what_it_is_and_ends_as_kubeadms_health_check_wants_it(
    hyperkube: list[str],
) -> None:
    assert said(hyperkube, "pause", "-v") == "pause, built into hyperkube\n"


def sleeper(parent: int) -> str:
    """The child that a process sleeps in, or nothing."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has come and gone
            if b"2147483647" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
    return ""


def ended(process: str) -> bool:
    """Whether a process is gone, or dead and waiting for somebody to notice."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_dispatcher_passes_shellcheck(tool: Callable[[str], Path]) -> None:
    assert said([str(tool("shellcheck"))], str(DISPATCHER)) == ""

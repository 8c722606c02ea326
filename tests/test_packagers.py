"""What packagers are asked to build: relations, nfpm's configuration, fpm's arguments, and real
packages.
"""

import io
import json
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from debian.arfile import ArFile

from kubewright import rpmfile
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError, ToolMissing, VerificationFailed
from kubewright.files import sha256
from kubewright.models.base import Arch, Format
from kubewright.models.description import Description, Payload
from kubewright.models.recipe import Content, Recipe
from kubewright.packagers import (
    PACKAGERS,
    fpm,
    native,
    native_rpm_header,
    nfpm,
    payload,
    relation_syntax,
)
from kubewright.packing.contents import SMALL, Contents
from kubewright.repos import rpmheader

VALUES = {"version": "1.36.4", "next_minor": "1.37"}


@pytest.mark.parametrize(
    ("text", "deb", "rpm"),
    [
        ("iptables", "iptables", "iptables"),
        ("kubelet (>= {version})", "kubelet (>= 1.36.4)", "kubelet >= 1.36.4"),
        ("kubelet (<< {next_minor}~)", "kubelet (<< 1.37~)", "kubelet < 1.37~"),
        (
            "containerd (>= 2.2~) | kubernetes-containerd",
            "containerd (>= 2.2~) | kubernetes-containerd",
            "(containerd >= 2.2~ or kubernetes-containerd)",
        ),
        ("/bin/sh", "/bin/sh", "/bin/sh"),
    ],
)
def test_a_relation_is_written_for_both_formats(text: str, deb: str, rpm: str) -> None:
    relation = relation_syntax.parse(text, VALUES, "place")
    assert relation_syntax.render([relation], Format.deb) == [deb]
    assert relation_syntax.render([relation], Format.rpm) == [rpm]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "kubelet (= {verison})",
            r"place: .*unknown placeholder 'verison'; known: next_minor, version",
        ),
        ("kubelet >= 1", r"place: 'kubelet >= 1' is not a relation; write it like"),
        ("", "is not a relation"),
    ],
)
def test_a_bad_relation_names_the_place(text: str, complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint):
        relation_syntax.parse(text, VALUES, "place")


def description(form: Format, source: Path | None = None) -> Description:
    related = {
        key: tuple(relation_syntax.parse(text, VALUES, "place") for text in texts)
        for key, texts in {
            "depends": ["iptables (>= 1.4.21)"],
            "provides": ["kubernetes-runtime (= {version})"],
            "conflicts": ["docker.io"],
            "replaces": ["docker.io"],
            "recommends": ["kubectl"],
        }.items()
    }
    return Description(
        name="sample",
        version="1.37.0~rc.1",
        revision="2",
        epoch=3,
        arch=Arch.arm64,
        format=form,
        summary="A sample",
        description="For tests.",
        section="admin",
        license="Apache-2.0",
        home="https://example.org",
        maintainer="Tests <tests@example.org>",
        source_date_epoch=1767225600,
        payload=(
            Payload(target="/etc/sample", kind="dir", mode=0o755),
            Payload(
                target="/etc/sample/s.conf",
                kind="config",
                mode=0o644,
                path=source or Path("/in/s.conf"),
            ),
            Payload(
                target="/usr/bin/sample", kind="file", mode=0o755, path=source or Path("/in/sample")
            ),
            Payload(target="/usr/bin/sample-link", kind="link", mode=0o777, to="sample"),
        ),
        scripts={"postinst": "#!/bin/sh\nexit 0\n"},
        **related,
    )


@pytest.mark.parametrize("form", list(Format))
def test_nfpm_is_given_this_configuration(form: Format, golden: Callable[[str, str], None]) -> None:
    config = nfpm.config(description(form), {"postinst": Path("/work/postinst")}, "small")
    golden(f"nfpm-{form}.json", json.dumps(config, indent=2) + "\n")


@pytest.mark.parametrize("form", list(Format))
def test_fpm_is_given_these_arguments(form: Format, golden: Callable[[str, str], None]) -> None:
    words = fpm.argv(
        description(form),
        Path("/work/root"),
        {"postinst": Path("/work/postinst")},
        Path("/out/package"),
    )
    golden(f"fpm-{form}.txt", "\n".join(words) + "\n")


def test_fpm_lays_out_the_tree_with_modes_and_one_date(tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_text("x")
    fpm.lay_out(description(Format.deb, source), tmp_path / "root")
    program = tmp_path / "root/usr/bin/sample"
    assert program.stat().st_mode & 0o777 == 0o755
    assert program.stat().st_mtime == program.parent.stat().st_mtime == 1767225600
    assert (tmp_path / "root/usr/bin/sample-link").readlink() == Path("sample")


def test_fpm_lays_out_the_same_modes_under_any_umask(tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_text("x")
    modes = []
    for umask in (0o022, 0o077):
        before = os.umask(umask)
        try:
            fpm.lay_out(description(Format.deb, source), tmp_path / f"{umask}")
        finally:
            os.umask(before)
        root = tmp_path / f"{umask}"
        modes.append(
            {
                str(path.relative_to(root)): oct(path.lstat().st_mode)
                for path in (root, *root.rglob("*"))
            }
        )
    assert modes[0] == modes[1]
    assert modes[0]["usr/bin"] == oct(0o40755)


@pytest.mark.elsewhere("fpm is a Ruby gem whose registry CI does not reach")
def test_fpm_builds_a_real_deb(tmp_path: Path, tool: Callable[[str], Path]) -> None:
    tool("fpm")
    source = tmp_path / "file"
    source.write_text("x")
    contents = Contents(tmp_path / "contents", "fast")
    made = description(Format.deb, source)
    fpm.package(made, contents, tmp_path / "work", tmp_path / "sample.deb")
    assert (tmp_path / "sample.deb").stat().st_size > 0


@pytest.mark.parametrize("backend", ["native", "nfpm"])
@pytest.mark.parametrize("form", list(Format))
def test_two_builds_in_two_directories_are_identical(
    tmp_path: Path, form: Format, backend: str
) -> None:
    made = []
    for name in ("one", "two"):
        source = tmp_path / name / "file"
        source.parent.mkdir()
        source.write_text("content")
        contents = Contents(source.parent / "contents", "fast")
        target = source.parent / "package"
        PACKAGERS[backend].package(description(form, source), contents, source.parent, target)
        made.append(target.read_bytes())
    assert made[0] == made[1]
    assert b"localhost" not in made[0]


PROGRAM = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
from kubewright.models.description import Description
from kubewright.packagers import native
from kubewright.packing.contents import Contents
work = Path(sys.argv[1])
for text in sys.stdin:
    described = Description.model_validate_json(text)
    target = work / described.filename
    native.package(described, Contents(work / "contents", "small"), work, target)
"""
"""Builds what is described on its input, as another process with another environment."""


def test_nothing_of_the_machine_is_in_a_package(tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_bytes(random.Random(1).randbytes(SMALL) + bytes(SMALL))
    texts = "\n".join(description(form, source).model_dump_json() for form in Format)
    made = []
    for number, (umask, extra) in enumerate([
        ("022", {"TZ": "UTC", "HOME": "/root", "PYTHONHASHSEED": "1", "LC_ALL": "C"}),
        ("077", {"TZ": "Asia/Kathmandu", "HOME": "/nowhere", "PYTHONHASHSEED": "2",
                 "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1"}),
    ]):  # fmt: skip
        work = tmp_path / f"ä {number}"
        work.mkdir()
        os.utime(source, (number, number))
        subprocess.run(
            [sys.executable, "-c", PROGRAM, work, umask],
            input=texts, text=True, check=True, env=os.environ | extra,
        )  # fmt: skip
        made.append({path.name: path.read_bytes() for path in work.glob("sample*")})
    assert len(made[0]) == 2
    assert made[0] == made[1]


def test_the_bytes_of_a_deb_and_an_rpm_are_these(
    tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    """Whatever Python, zlib and tarfile there are; only zstd may pack them otherwise."""
    source = tmp_path / "file"
    source.write_bytes(b"#!/bin/sh\n")
    deb, rpm = tmp_path / "deb", tmp_path / "rpm"
    contents = Contents(tmp_path / "contents", "fast")
    native.package(description(Format.deb, source), contents, tmp_path, deb)
    native.package(description(Format.rpm, source), contents, tmp_path, rpm)
    with deb.open("rb") as stream:
        members = {member.name: member.read() for member in ArFile(fileobj=stream)}
    digests = {name: sha256(unpacked(data)) for name, data in members.items() if "tar" in name}
    with rpm.open("rb") as stream:
        headers = rpmfile.headers(stream, rpm.stat().st_size)
        stream.seek(headers.main.end)
        digests["payload"] = sha256(unpacked(stream.read()))
    digests["lead"] = sha256(headers.lead)
    # Of the packed payload, and of the header that names it, zstd's version decides.
    tags = sorted(set(headers.main.index) - {rpmfile.IMMUTABLE, 5092})
    digests["header"] = sha256(b"".join(headers.main.raw(tag) for tag in tags))
    golden("native.json", json.dumps(digests, indent=1) + "\n")


def unpacked(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)


def test_a_file_that_no_rpm_can_hold_is_refused_in_words(tmp_path: Path) -> None:
    source = tmp_path / "file"
    with source.open("wb") as stream:
        stream.truncate(1 << 32)
    contents = Contents(tmp_path / "contents", "fast")
    for form in Format:
        with pytest.raises(RequestError, match=r"^sample: /etc/sample/s\.conf: a file of 4 GiB"):
            native.package(description(form, source), contents, tmp_path, tmp_path / "package")


def test_sizes_of_4_gib_and_more_have_their_own_tags() -> None:
    files = [
        native_rpm_header.File(f"/usr/lib/{n}", 0o100644, 3 << 30, b"", "0" * 64) for n in range(2)
    ]
    packed = native_rpm_header.Packed("0" * 64, "0" * 64, 3)
    made = native_rpm_header.header(description(Format.rpm), files, packed)
    data = rpmfile.MAGIC + bytes(92) + rpmfile.header({}, rpmfile.SIGNATURES)
    data += made
    headers = rpmfile.headers(io.BytesIO(data), len(data))
    assert headers.main.numbers(5009) == (6 << 30,)
    assert headers.main.numbers(1009) == ()
    assert rpmheader.package(headers, size=0, sha256="").installed == 6 << 30


def test_a_missing_packager_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        ToolMissing, match=r"fpm: not found .*; `gem install fpm`, or choose another backend"
    ) as caught:
        PACKAGERS["fpm"].tools("fast")
    assert caught.value.exit_code == 3


def recipe(source: str, target: str = "/opt/bin") -> Recipe:
    return Recipe(
        name="sample",
        summary="s",
        description="d",
        contents=(Content(target=target, source=source),),
    )


def gathered(tmp_path: Path, source: str, archive: Path) -> list[str]:
    variables = {"version": "1.2.3", "minor": "1.2"}
    entries = payload.gather(
        recipe(source),
        Format.deb,
        Arch.amd64,
        lambda *_: archive,
        variables,
        shipped().root,
        tmp_path / "work",
    )
    return [entry.target for entry in entries]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "in.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("./bridge", "./portmap", "./LICENSE", "v1.2.3/bin/tool", "../../evil"):
            info = tarfile.TarInfo(name)
            tar.addfile(info)
    return path


def test_members_of_an_archive_become_files(tmp_path: Path, archive: Path) -> None:
    assert gathered(tmp_path, "input:cni/in![a-z]*", archive) == [
        "/opt/bin/bridge",
        "/opt/bin/portmap",
    ]
    assert gathered(tmp_path, "input:cni/in!v{version}/bin/tool", archive) == ["/opt/bin"]


def test_a_member_that_leads_out_stays_in_the_work_directory(tmp_path: Path, archive: Path) -> None:
    gathered(tmp_path, "input:cni/in!../../evil", archive)
    assert not (tmp_path.parent / "evil").exists()


def test_a_member_that_is_not_there_names_recipe_and_entry(tmp_path: Path, archive: Path) -> None:
    complaint = r"recipes/packages/sample.toml: contents\[0\].source: cni/in holds no 'nothing'"
    with pytest.raises(RequestError, match=complaint):
        gathered(tmp_path, "input:cni/in!nothing", archive)


def test_a_broken_archive_is_named(tmp_path: Path, archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(VerificationFailed, match=r"cni/in \(in.tgz\): not a readable archive"):
        gathered(tmp_path, "input:cni/in!bridge", archive)


def test_a_file_outside_the_content_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"there is no file '../../etc/passwd' below packaging/"):
        gathered(tmp_path, "file:../../etc/passwd", tmp_path)


def test_a_template_with_an_unknown_name_is_an_error() -> None:
    with pytest.raises(RequestError, match=r"place: template: 'nonsense' is undefined"):
        payload.render("{{ nonsense }}", {}, "place", shipped().root)

"""What packagers are asked to build: relations, nfpm's configuration, fpm's arguments, and real
packages.
"""

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError, ToolMissing, VerificationFailed
from kubewright.models.base import Arch, Format
from kubewright.models.description import Description, Payload
from kubewright.models.recipe import Content, Recipe
from kubewright.packagers import PACKAGERS, fpm, nfpm, payload, relation_syntax

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
    config = nfpm.config(description(form), {"postinst": Path("/work/postinst")})
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
    fpm.package(description(Format.deb, source), tmp_path / "work", tmp_path / "sample.deb")
    assert (tmp_path / "sample.deb").stat().st_size > 0


@pytest.mark.parametrize("form", list(Format))
def test_two_builds_in_two_directories_are_identical(tmp_path: Path, form: Format) -> None:
    made = []
    for name in ("one", "two"):
        source = tmp_path / name / "file"
        source.parent.mkdir()
        source.write_text("content")
        nfpm.package(description(form, source), source.parent, source.parent / "package")
        made.append((source.parent / "package").read_bytes())
    assert made[0] == made[1]
    assert b"localhost" not in made[0]


def test_a_missing_packager_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        ToolMissing, match=r"fpm: not found .*; `gem install fpm`, or choose another backend"
    ) as caught:
        PACKAGERS["fpm"].version()
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
    with pytest.raises(VerificationFailed, match=r"in.tgz \(cni/in\): not a readable archive"):
        gathered(tmp_path, "input:cni/in!bridge", archive)


def test_a_file_outside_the_content_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"there is no file '../../etc/passwd' below packaging/"):
        gathered(tmp_path, "file:../../etc/passwd", tmp_path)


def test_a_template_with_an_unknown_name_is_an_error() -> None:
    with pytest.raises(RequestError, match=r"place: template: 'nonsense' is undefined"):
        payload.render("{{ nonsense }}", {}, "place", shipped().root)

"""Every backend makes the package that is described, as the stock tools of deb and rpm read it."""

import hashlib
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from debian.deb822 import Deb822

from kubewright.models.base import Arch, Format
from kubewright.models.description import Description, Payload
from kubewright.packagers import PACKAGERS, relation_syntax
from kubewright.packing.contents import SMALL, Contents
from kubewright.repos import rpm as rpm_entries
from kubewright.run import find, run

Tool = Callable[[str], Path]
Facts = dict[str, Any]

EPOCH = 1_767_225_600
BACKENDS = [
    "native",
    "nfpm",
    pytest.param(
        "fpm", marks=pytest.mark.elsewhere("fpm is a Ruby gem whose registry CI does not reach")
    ),
]
FILES = {
    "/etc/sample/sample.conf": ("config", 0o640, b"a = 1\n"),
    "/usr/bin/sample": ("file", 0o755, b"\x7fELF" + bytes(range(256)) * (SMALL // 256)),
    "/usr/bin/other": ("file", 0o755, bytes(SMALL) + b"\x7fELF" + bytes(range(255)) * 900),
    "/usr/lib/sample/empty": ("file", 0o644, b""),
    "/usr/lib/sample/" + "deep/" * 25 + "ä name with spaces": ("file", 0o444, b"long\n"),
    "/usr/share/doc/sample/README": ("file", 0o644, b"read me\n"),
    "/usr/share/doc/sample/copyright": ("file", 0o644, b"free\n"),
    "/usr/share/man/man1/sample.1": ("file", 0o644, b".TH sample\n"),
}  # fmt: skip
SCRIPTS = {name: f"#!/bin/sh\necho {name}\n" for name in ("preinst", "postinst", "prerm", "postrm")}
TRANSACTION = {"posttrans": "#!/bin/sh\necho posttrans\n"}
RELATIONS = {
    "depends": ["iptables (>= 1.4.21)", "one (>= 2.2~) | other", "/usr/bin/tool"],
    "recommends": ["kubectl (>= 1)"],
    "provides": ["kubernetes-runtime (= 1.36.4)"],
    "conflicts": ["docker.io", "podman (<< 4)"],
    "replaces": ["docker.io"],
}


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> tuple[Payload, ...]:
    folder = tmp_path_factory.mktemp("payload")
    entries = [
        Payload(target="/etc/sample", kind="dir", mode=0o755),
        Payload(target="/var/lib/sample", kind="dir", mode=0o700),
        Payload(target="/usr/bin/sample-link", kind="link", mode=0o777, to="sample"),
    ]
    for number, (target, (kind, mode, data)) in enumerate(FILES.items()):
        (folder / str(number)).write_bytes(data)
        source = folder / str(number)
        entries.append(Payload.model_validate({
            "target": target, "kind": kind, "mode": mode, "path": source,
        }))  # fmt: skip
    return tuple(sorted(entries, key=lambda entry: entry.target))


def description(
    form: Format, payload: tuple[Payload, ...], relations: dict[str, list[str]] = RELATIONS
) -> Description:
    related = {
        key: tuple(relation_syntax.parse(text, {}, "place") for text in texts)
        for key, texts in relations.items()
    }
    if form is Format.rpm:
        related["depends"] += (relation_syntax.parse("/bin/sh", {}, "place"),)
    else:
        related["depends"] = related["depends"][:-1]  # dpkg knows no paths
    return Description.model_validate({
        "name": "sample", "version": "1.37.0~rc.1", "revision": "2", "epoch": 3, "arch": Arch.amd64,
        "format": form, "summary": "A sample", "description": "For tests.\n\nOf all backends.",
        "section": "admin", "license": "Apache-2.0", "home": "https://example.org",
        "maintainer": "Tests <tests@example.org>", "source_date_epoch": EPOCH,
        "payload": payload, "scripts": SCRIPTS | (TRANSACTION if form is Format.rpm else {}),
        "changes": ("First.", "Second."), **related,
    })  # fmt: skip


def built(backend: str, described: Description, work: Path) -> Path:
    target = work / described.filename
    contents = Contents(work / "contents", "fast")
    PACKAGERS[backend].package(described, contents, work, target)
    return target


def wanted(
    backend: str,
    form: Format,
    payload: tuple[Payload, ...],
    folders: pytest.TempPathFactory,
    tool: Tool,
) -> Path:
    """The package of a format by a backend, whose program must be there."""
    if backend == "fpm":
        tool("fpm")
    return built(backend, description(form, payload), folders.mktemp(form))


@pytest.fixture(scope="module", params=BACKENDS)
def deb(
    request: pytest.FixtureRequest,
    payload: tuple[Payload, ...],
    tmp_path_factory: pytest.TempPathFactory,
    tool: Tool,
) -> tuple[str, Path]:
    return request.param, wanted(request.param, Format.deb, payload, tmp_path_factory, tool)


@pytest.fixture(scope="module", params=BACKENDS)
def rpm(
    request: pytest.FixtureRequest,
    payload: tuple[Payload, ...],
    tmp_path_factory: pytest.TempPathFactory,
    tool: Tool,
) -> tuple[str, Path]:
    return request.param, wanted(request.param, Format.rpm, payload, tmp_path_factory, tool)


def wanted_files(payload: tuple[Payload, ...]) -> dict[str, tuple[str, str]]:
    """Mode as `ls` shows it, and size or target, of everything described."""
    wanted = {}
    for entry in payload:
        kind = {"dir": stat.S_IFDIR, "link": stat.S_IFLNK}.get(entry.kind, stat.S_IFREG)
        size = "" if entry.path is None else str(entry.path.stat().st_size)
        wanted[entry.target] = stat.filemode(kind | entry.mode), entry.to or size
    return wanted


def test_a_deb_installs_what_is_described(
    deb: tuple[str, Path], payload: tuple[Payload, ...], tmp_path: Path
) -> None:
    _, path = deb
    with (tmp_path / "data.tar").open("wb") as out:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", path], stdout=out, check=True)
    found, parents = {}, {}
    with tarfile.open(tmp_path / "data.tar") as tar:
        for info in tar:
            assert (info.uid, info.gid, info.mtime) == (0, 0, EPOCH), info.name
            target = "/" + info.name.removeprefix("./").removeprefix(".")
            kind = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK}
            mode = stat.filemode(kind.get(info.type, stat.S_IFREG) | info.mode)
            found[target] = mode, info.linkname or ("" if info.isdir() else str(info.size))
            if info.isfile():
                stream = tar.extractfile(info)
                assert stream is not None
                assert stream.read() == FILES[target][2]
    for target in list(found):
        if target not in wanted_files(payload):
            parents[target] = found.pop(target)
    assert found == wanted_files(payload)
    assert set(parents.values()) == {("drwxr-xr-x", "")}, "dpkg makes no directory by itself"
    listed = {str(folder) for entry in payload for folder in Path(entry.target).parents}
    assert parents.keys() | {"/"} == listed - found.keys()


def control(path: Path, name: str) -> str:
    return run(["dpkg-deb", "--info", path, name]).stdout


def test_a_deb_says_what_is_described(deb: tuple[str, Path], payload: tuple[Payload, ...]) -> None:
    backend, path = deb
    fields = dict(Deb822(control(path, "control")))
    size = int(fields.pop("Installed-Size"))
    wanted = {
        "Package": "sample", "Version": "3:1.37.0~rc.1-2", "Architecture": "amd64",
        "Maintainer": "Tests <tests@example.org>", "Section": "admin",
        "Homepage": "https://example.org", "Priority": "optional",
        "Depends": "iptables (>= 1.4.21), one (>= 2.2~) | other", "Recommends": "kubectl (>= 1)",
        "Provides": "kubernetes-runtime (= 1.36.4)", "Conflicts": "docker.io, podman (<< 4)",
        "Replaces": "docker.io", "Description": "A sample\n For tests.\n .\n Of all backends.",
    }  # fmt: skip
    extra = {"fpm": {"License", "Vendor"}, "nfpm": {"License"}}.get(backend, set())
    if backend == "fpm":
        fields["Priority"] = wanted["Priority"]  # its own word, which nobody asked for
    assert {name: value for name, value in fields.items() if name not in extra} == wanted
    bytes_in_all = sum(len(data) for _, _, data in FILES.values())
    assert bytes_in_all // 1024 <= size <= bytes_in_all // 1024 + 60
    assert control(path, "conffiles") == "/etc/sample/sample.conf\n"
    for name, text in SCRIPTS.items():
        ours = [line for line in control(path, name).splitlines() if not line.startswith("after_")]
        assert ("\n".join(ours) + "\n" == text) or backend == "fpm"
    sums = {line[34:]: line[:32] for line in control(path, "md5sums").splitlines()}
    digests = {target[1:]: hashlib.md5(data).hexdigest() for target, (_, _, data) in FILES.items()}
    assert sums.items() <= digests.items()
    assert digests.keys() - sums.keys() <= {"etc/sample/sample.conf"}


def test_installed_size_is_dpkg_gencontrols(
    payload: tuple[Payload, ...], tmp_path: Path, tool: Tool
) -> None:
    gencontrol = tool("dpkg-gencontrol")
    path = built("native", description(Format.deb, payload), tmp_path)
    root, source = tmp_path / "root", tmp_path / "debian"
    run(["dpkg-deb", "-x", path, root])
    source.mkdir()
    (source / "control").write_text(
        "Source: sample\nMaintainer: T <t@example.org>\n\n"
        "Package: sample\nArchitecture: all\nDescription: x\n"
    )
    (source / "changelog").write_text(
        "sample (1) unstable; urgency=low\n\n  * x\n\n"
        " -- T <t@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n"
    )
    printed = run([gencontrol, "-psample", f"-P{root}", "-O"], cwd=tmp_path).stdout
    assert Deb822(printed)["Installed-Size"] == Deb822(control(path, "control"))["Installed-Size"]


def query(path: Path, form: str) -> list[list[str]]:
    output = run(["rpm", "-qp", "--nosignature", "--qf", form, path]).stdout
    return [line.split("|") for line in output.splitlines()]


def test_an_rpm_installs_what_is_described(
    rpm: tuple[str, Path], payload: tuple[Payload, ...]
) -> None:
    backend, path = rpm
    form = (
        "[%{FILENAMES}|%{FILEMODES:perms}|%{FILESIZES}|%{FILELINKTOS}|%{FILEUSERNAME}|"
        "%{FILEGROUPNAME}|%{FILEMTIMES}|%{FILEDIGESTS}|%{FILEFLAGS:fflags}\n]"
    )
    found, flags = {}, {}
    for name, mode, size, to, user, group, mtime, digest, flag in query(path, form):
        assert (user, group, mtime) == ("root", "root", str(EPOCH)), name
        found[name] = mode, to or ("" if mode.startswith("d") else size)
        flags[name] = flag
        if mode.startswith("-"):
            assert digest in (hashlib.sha256(FILES[name][2]).hexdigest(), ""), name
    if backend == "nfpm":
        mode, to = found["/usr/bin/sample-link"]
        found["/usr/bin/sample-link"] = mode.replace("---------", "rwxrwxrwx"), to
    assert found == wanted_files(payload)
    wanted = {
        "/etc/sample/sample.conf": "cn", "/usr/share/doc/sample/README": "d",
        "/usr/share/doc/sample/copyright": "l", "/usr/share/man/man1/sample.1": "d",
    }  # fmt: skip
    if backend == "fpm":
        assert flags["/etc/sample/sample.conf"] == "cn"
        return
    simple = {name: flag.replace("dl", "l").replace("ld", "l") for name, flag in flags.items()}
    assert {name: flag for name, flag in simple.items() if flag} == wanted


def test_an_rpm_says_what_is_described(rpm: tuple[str, Path]) -> None:
    backend, path = rpm
    form = (
        "%{NAME}|%{EPOCH}|%{VERSION}|%{RELEASE}|%{ARCH}|%{SUMMARY}|%{LICENSE}|%{URL}|%{PACKAGER}|"
        "%{OS}|%{SOURCERPM}\n"
    )
    [identity] = query(path, form)
    assert identity == [
        "sample", "3", "1.37.0~rc.1", "2", "x86_64", "A sample", "Apache-2.0",
        "https://example.org", "Tests <tests@example.org>", "linux", "sample-1.37.0~rc.1-2.src.rpm",
    ]  # fmt: skip
    assert run(["rpm", "-qp", "--qf", "%{DESCRIPTION}", path]).stdout == (
        "For tests.\n\nOf all backends."
    )

    def related(kind: str) -> set[str]:
        lines = run(["rpm", "-qp", f"--{kind}", path]).stdout.splitlines()
        return {line.strip() for line in lines if not line.startswith("rpmlib(")}

    needed = {"iptables >= 1.4.21", "(one >= 2.2~ or other)", "/usr/bin/tool", "/bin/sh"}
    assert related("requires") - {"config(sample) = 3:1.37.0~rc.1-2"} == needed
    provided = {"sample = 3:1.37.0~rc.1-2", "kubernetes-runtime = 1.36.4"}
    own = {"sample(x86-64) = 3:1.37.0~rc.1-2", "config(sample) = 3:1.37.0~rc.1-2"}
    assert provided <= related("provides") <= provided | own
    assert related("conflicts") == {"docker.io", "podman < 4"}
    assert related("obsoletes") == set(), "they would swap people's packages"
    if backend != "fpm":
        assert related("recommends") == {"kubectl >= 1"}
        assert query(path, "[%{CHANGELOGTIME}|%{CHANGELOGNAME}|%{CHANGELOGTEXT}\n]") == [
            [str(EPOCH), "Tests <tests@example.org> - 3:1.37.0~rc.1-2", "- First."],
            ["- Second."],
        ]
    names = ("PREIN", "POSTIN", "PREUN", "POSTUN", "POSTTRANS")
    for name, text in zip(names, (SCRIPTS | TRANSACTION).values(), strict=True):
        script = run(["rpm", "-qp", "--qf", f"%{{{name}}}", path]).stdout
        assert script.rstrip("\n") == text.rstrip("\n") or backend == "fpm"
        program = run(["rpm", "-qp", "--qf", f"%{{{name}PROG}}", path]).stdout
        assert program == "/bin/sh"


def test_an_rpm_of_ours_is_whole_installs_and_verifies(
    payload: tuple[Payload, ...], tmp_path: Path, tool: Tool
) -> None:
    program = tool("rpm")
    alone = description(Format.rpm, payload, {"depends": []}).model_copy(update={"scripts": {}})
    path = built("native", alone, tmp_path)
    checked = run([program, "-Kv", "--nosignature", path]).stdout
    assert "Header SHA256 digest: OK" in checked
    assert "Payload SHA256 digest: OK" in checked
    root = tmp_path / "root"
    words: list[str | Path] = [program, "--root", root, "--nosignature", "--nodeps"]
    run([*words, "--install", "--noscripts", "--force", path])
    assert run([*words, "--verify", "sample"]).stdout == ""
    for target, (_, mode, data) in FILES.items():
        assert (root / target[1:]).read_bytes() == data
        assert (root / target[1:]).stat().st_mode & 0o7777 == mode
    (root / "usr/bin/sample").write_bytes(b"changed")
    assert "/usr/bin/sample" in run([*words, "--verify", "sample"], codes=(1,)).stdout


def test_rpm_can_leave_out_the_documentation_of_ours(
    payload: tuple[Payload, ...], tmp_path: Path, tool: Tool
) -> None:
    program = tool("rpm")
    alone = description(Format.rpm, payload, {"depends": []}).model_copy(update={"scripts": {}})
    path = built("native", alone, tmp_path)
    root = tmp_path / "root"
    words: list[str | Path] = [
        program,
        "--root",
        root,
        "--nosignature",
        "--nodeps",
        "--install",
        "--noscripts",
    ]
    run([*words, "--force", "--excludedocs", path])
    assert not (root / "usr/share/man/man1/sample.1").exists()
    assert not (root / "usr/share/doc/sample/README").exists()
    assert (root / "usr/bin/sample").is_file()


def test_a_deb_of_ours_installs_and_verifies(
    payload: tuple[Payload, ...], tmp_path: Path, tool: Tool
) -> None:
    dpkg = tool("dpkg")
    alone = description(Format.deb, payload, {"depends": ["x"]}).model_copy(update={"scripts": {}})
    path = built("native", alone, tmp_path)
    root = tmp_path / "root"
    for name in ("updates", "info"):
        (root / "var/lib/dpkg" / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    words: list[str | Path] = [dpkg, f"--root={root}", "--force-not-root", "--log=/dev/null"]
    path_set = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    run([*words, "--install", path], env=path_set)
    assert run([*words, "--verify", "sample"], env=path_set).stdout == ""
    for target, (_, mode, data) in FILES.items():
        assert (root / target[1:]).read_bytes() == data
        assert (root / target[1:]).stat().st_mode & 0o7777 == mode


def test_python_debian_reads_a_deb_of_ours(payload: tuple[Payload, ...], tmp_path: Path) -> None:
    from debian.debfile import DebFile

    find("unzstd", install="apt-get install zstd")
    with DebFile(built("native", description(Format.deb, payload), tmp_path)) as deb:
        assert deb.debcontrol()["Package"] == "sample"
        for target, (_, _, data) in FILES.items():
            assert deb.data.get_content(target) in (data, data or None)


def test_a_package_with_nothing_in_it_is_one(tmp_path: Path, tool: Tool) -> None:
    tool("rpm")
    for form in Format:
        empty = description(form, (), {"depends": ["x"]}).model_copy(update={"scripts": {}})
        path = built("native", empty, tmp_path)
        if form is Format.rpm:
            assert "digests OK" in run(["rpm", "-K", "--nosignature", path]).stdout
            assert run(["rpm", "-qpl", path]).stdout.strip() in ("", "(contains no files)")
        else:
            assert run(["dpkg-deb", "-c", path]).stdout.split()[-1] == "./"


def test_createrepo_reads_an_rpm_of_ours_as_we_do(
    payload: tuple[Payload, ...], tmp_path: Path
) -> None:
    module: ModuleType = pytest.importorskip("createrepo_c", exc_type=ImportError)
    path = built("native", description(Format.rpm, payload), tmp_path)
    package = module.package_from_rpm(
        str(path), checksum_type=module.SHA256, location_href=rpm_entries.LOCATION
    )
    package.time_file = package.time_build
    entry = rpm_entries.entry(path)
    assert (entry.primary, entry.filelists, entry.other) == tuple(module.xml_dump(package))
    assert package.size_archive == sum(
        (110 + len(name) + 3) // 4 * 4 + (size + 3) // 4 * 4 for name, size in archived(payload)
    )


def archived(payload: tuple[Payload, ...]) -> list[tuple[bytes, int]]:
    """The names in a payload, ended by a null byte, and the sizes of what follows them."""
    found = []
    for entry in payload:
        size = len(entry.to) if entry.path is None else entry.path.stat().st_size
        found.append((f".{entry.target}\0".encode(), size))
    return [*found, (b"TRAILER!!!\0", 0)]

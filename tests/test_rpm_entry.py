"""rpm entries: letter for letter createrepo_c's for what rpmbuild can make, and a refusal for
headers that lie.
"""

import struct
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest

from kubewright import rpmfile
from kubewright.errors import VerificationFailed
from kubewright.repos import rpm
from kubewright.run import run

Values = dict[int, tuple[int, int, bytes]]
"""Values of a header by tag: type, count and bytes."""

EVERYTHING = r"""
Name: everything
Epoch: 3
Version: 1.2~rc1
Release: 4^git.el9
Summary: Sümmary with <markup> & "quotes"
Summary(de): Zusammenfassung
License: MIT AND (Apache-2.0 OR BSD)
Group: System/Tools
Vendor: Vendör <vendor@example.org>
Packager: Packager <packager@example.org>
URL: https://example.org/?a=1&b=2
BuildArch: noarch
Requires: plain, plain, plain >= 1, plain >= 2:1.0-3, plain >= 1, last < 1, dash = 1-, zero = 0:1
Requires(pre): /usr/sbin/useradd, plain, both
Requires(post): both
Requires: both
Requires(pretrans): early
Requires(posttrans): late
Requires(preun): leaving
Requires(postun): gone
Requires: /usr/bin/everything, /usr/share/everything/data
Requires: (one or two >= 1:2), (three >= 3.2 if four)
Requires: self = 1, self > 1, everything = 3:1.2~rc1-4^git.el9
Requires: libc.so.6, libc.so.6()(64bit), libc.so.6(GLIBC_2.4)(64bit), libc.so.6(GLIBC_2.34)(64bit)
Requires: libc.so.6(GLIBC_2.3.4)(64bit), libc.so.6(GLIBC_ABI_DT_RELR)(64bit), libm.so.6(GLIBC_2.29)
Provides: self = 1, virtual, /usr/bin/other, ünicode, config(everything) = 1
Conflicts: enemy < 1:2-3
Obsoletes: old <= 1
Suggests: suggested > 2
Recommends: recommended, (this and that)
Enhances: enhanced = 2
Supplements: (first and second)
%description
Line <one>, "two" & three.

	A tab, ünïcode 漢字 😀 and more
%description -l de
Deutsch
%pre
true
%post -p /sbin/ldconfig
%install
cd %{buildroot}
mkdir -p usr/bin usr/lib etc/everything.d usr/share/everything/empty opt/xbin/deep
touch usr/bin/everything usr/lib/sendmail etc/everything.conf etc/everything.d/a.conf
touch usr/share/everything/data
touch "usr/share/everything/ünïcode & <x> \"q\".txt" "opt/xbin/deep/with space"
ln -s everything usr/bin/link
ln -s ../../../etc/everything.d usr/share/everything/directory
%files
/usr/bin/*
%config(noreplace) /etc/everything.conf
%dir /etc/everything.d
%config /etc/everything.d/a.conf
/usr/lib/sendmail
/usr/share/everything
/opt/xbin/
%ghost /var/log/everything/log
%ghost %dir /var/log/everything
%ghost /etc/ghost.conf
%changelog
* Fri Nov 22 2024 A <a@example.org> - 12
- the newest & <x>
* Fri Nov 22 2024 B <b@example.org> - 11
- the same day, "quoted"
* Fri Nov 22 2024 C
- and again
* Thu Nov 21 12:00:01 UTC 2024 Dé <d@example.org> - 9
- a second after noon
* Thu Nov 21 2024 E - 8
- noon
  on two lines
* Thu Nov 21 2024 F
- noon too
* Wed Nov 20 2024 G
- g
* Tue Nov 19 2024 H
- h
* Mon Nov 18 2024 I
- i
* Sun Nov 17 2024 J
- of one day, but only one of the two
* Sun Nov 17 2024 K
- is within the limit
"""

BARE = """
Name: bare
Version: 1
Release: 1
Summary: Owns nothing
License: none
%description
%files
"""

LATIN = """
Name: latin
Version: 1
Release: 1
Summary: café “quoted”
License: none
BuildArch: noarch
%description
naïve
%install
mkdir -p %{buildroot}/etc
touch "%{buildroot}/etc/été"
%files
"/etc/été"
"""

SPECS = {
    "everything": EVERYTHING.encode(),
    "bare": BARE.encode(),
    "latin": LATIN.encode("cp1252"),  # as packages of 2005 are
}


@pytest.fixture(scope="module")
def built(tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An rpm of each spec, by name."""
    program, top = tool("rpmbuild"), tmp_path_factory.mktemp("rpmbuild")
    for name, spec in SPECS.items():
        (top / f"{name}.spec").write_bytes(spec)
    defined = {
        "_topdir": str(top),
        "_invalid_encoding_terminates_build": "0",
        "_rpmfilename": "%%{NAME}.rpm",
    }
    options = [f"--define={name} {value}" for name, value in defined.items()]
    run(
        [
            program,
            "-bb",
            "--quiet",
            "--target=x86_64",
            *options,
            *(top / f"{name}.spec" for name in SPECS),
        ]
    )
    return {name: top / "RPMS" / f"{name}.rpm" for name in SPECS}


@pytest.fixture(scope="module")
def theirs() -> Callable[[Path], tuple[str, ...]]:
    """The three fragments that createrepo_c makes of an rpm; its wheel needs a libglib of the
    machine.
    """
    module: ModuleType = pytest.importorskip("createrepo_c", exc_type=ImportError)

    def fragments(path: Path) -> tuple[str, ...]:
        package = module.package_from_rpm(
            str(path), checksum_type=module.SHA256, location_href=rpm.LOCATION
        )
        package.time_file = package.time_build
        return tuple(module.xml_dump(package))

    return fragments


def ours(path: Path) -> tuple[str, ...]:
    entry = rpm.entry(path)
    return entry.primary, entry.filelists, entry.other


@pytest.mark.parametrize("name", SPECS)
def test_an_entry_is_createrepo_cs(
    name: str, built: dict[str, Path], theirs: Callable[[Path], tuple[str, ...]]
) -> None:
    assert ours(built[name]) == theirs(built[name])


def test_requirements_with_any_flags_are_createrepo_cs(
    built: dict[str, Path], theirs: Callable[[Path], tuple[str, ...]], tmp_path: Path
) -> None:
    data = built["everything"].read_bytes()
    main = rpmfile.headers(BytesIO(data), len(data)).main
    _, offset, count = main.index[1048]  # RPMTAG_REQUIREFLAGS
    start = main.end - len(main.store) + offset
    for bit in range(32):
        flags = [1 << bit | (number % 16 if bit > 3 else 0) for number in range(count)]
        path = tmp_path / f"{bit}.rpm"
        path.write_bytes(
            data[:start] + struct.pack(f">{count}I", *flags) + data[start + 4 * count :]
        )
        assert ours(path) == theirs(path)


def strings(*items: str, kind: int = rpmfile.STRINGS) -> tuple[int, int, bytes]:
    return kind, len(items), b"".join(item.encode() + b"\0" for item in items)


def string(text: str) -> tuple[int, int, bytes]:
    return strings(text, kind=rpmfile.STRING)


def numbers(*items: int, form: str = "I") -> tuple[int, int, bytes]:
    return {"H": 3, "I": 4, "Q": 5}[form], len(items), struct.pack(f">{len(items)}{form}", *items)


def header(values: Values) -> bytes:
    index, store = b"", b""
    for tag, (kind, count, data) in values.items():
        index += struct.pack(">4I", tag, kind, len(store), count)
        store += data
    return rpmfile.HEADER_MAGIC + struct.pack(">II", len(values), len(store)) + index + store


def made(values: Values, signature: Values | None = None) -> bytes:
    """An rpm without payload that is nobody's; `values` come on top of what every package has."""
    plain = {1000: string("a"), 1001: string("1"), 1002: string("1"), 1022: string("noarch")}
    first = header(signature or {})
    return rpmfile.MAGIC + bytes(92) + first + bytes(-len(first) % 8) + header(plain | values)


FILE: Values = {
    1117: strings("one"),
    1118: strings("/etc/"),
    1116: numbers(0),
    1030: numbers(0o100644, form="H"),
    1037: numbers(0),
}


def test_sizes_beyond_32_bits_are_read(tmp_path: Path) -> None:
    path = tmp_path / "large.rpm"
    path.write_bytes(made({5009: numbers(5 << 30, form="Q")}, {271: numbers(6 << 30, form="Q")}))
    assert f'installed="{5 << 30}" archive="{6 << 30}"' in rpm.entry(path).primary


def test_an_rpm_from_nowhere_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.rpm"
    path.write_bytes(made(FILE))
    assert "<file>/etc/one</file>" in rpm.entry(path).primary


LIES = {
    "a name of numbers": ({1000: numbers(1)}, "tag 1000 holds no strings"),
    "an epoch of text": ({1003: string("1")}, "tag 1003 holds no numbers"),
    "a string without end": ({1004: (rpmfile.STRING, 1, b"a")}, "tag 1004 goes beyond its header"),
    "more strings than there are": ({1047: (rpmfile.STRINGS, 9, b"a\0")}, "tag 1047 goes beyond"),
    "more numbers than there are": ({1116: (4, 9, bytes(4))}, "tag 1116 goes beyond"),
    "billions of strings": (
        {1047: (rpmfile.STRINGS, 0xFFFFFFFF, b"a\0")},
        "tag 1047 .* far too many",
    ),
    "billions of numbers": ({1116: (4, 0xFFFFFFFF, bytes(4))}, "tag 1116 .* far too many"),
    "a long path many times": (
        FILE
        | {
            1118: strings("/" + "x" * 9999),
            1117: strings(*[""] * 9999),
            1116: numbers(*[0] * 9999),
            1030: numbers(*[0] * 9999, form="H"),
            1037: numbers(*[0] * 9999),
        },
        "longer than any rpm's",
    ),
    "names without flags": ({1047: strings("a")}, "shorter"),
    "names without versions": (
        {1047: strings("a", "b"), 1112: numbers(0, 0), 1113: strings("")},
        "shorter",
    ),
    "a file without mode": (FILE | {1030: numbers(form="H")}, "shorter"),
    "a directory out of range": (FILE | {1116: numbers(1)}, "a directory that it does not name"),
    "a file list of rpm 3": ({1027: strings("/etc/one")}, "rpm 3"),
    "an epoch that is no number": (
        {1047: strings("a"), 1112: numbers(8), 1113: strings("x:1")},
        "a x:1: the epoch",
    ),
    "a control character": ({1004: string("\x1b[1m")}, r"cannot hold the character '\\x1b'"),
    "another architecture": ({1022: string("riscv64")}, "'riscv64' is not an architecture"),
    "a source package": ({1106: numbers(1)}, "'src' is not an architecture"),
}


@pytest.mark.parametrize(("values", "said"), LIES.values(), ids=LIES)
def test_a_header_that_lies_is_refused(values: Values, said: str, tmp_path: Path) -> None:
    path = tmp_path / "liar.rpm"
    path.write_bytes(made(values))
    with pytest.raises(VerificationFailed, match=rf"liar\.rpm: not a usable rpm \(.*{said}"):
        rpm.entry(path)


@pytest.mark.parametrize("at", [96, 112], ids=["signature", "main"])
@pytest.mark.parametrize(
    "claim", [(0xFFFFFFFF, 0), (0, 0xFFFFFFFF), (0, 64 << 20), (31, 0)], ids=str
)
def test_a_header_larger_than_its_file_is_refused(
    at: int, claim: tuple[int, int], tmp_path: Path
) -> None:
    path, data = tmp_path / "liar.rpm", bytearray(made({}))
    data[at + 8 : at + 16] = struct.pack(">II", *claim)
    path.write_bytes(data)
    with pytest.raises(VerificationFailed, match=rf"liar\.rpm: .*the header at byte {at} "):
        rpm.entry(path)


def test_a_huge_file_does_not_make_a_huge_header(tmp_path: Path) -> None:
    path, data = tmp_path / "liar.rpm", bytearray(made({}))
    data[112 + 8 : 112 + 16] = struct.pack(">II", 1, 0xFFFFFFF0)
    path.write_bytes(data)
    with path.open("r+b") as stream:
        stream.truncate(8 << 30)  # of holes
    with pytest.raises(VerificationFailed, match="larger than any rpm's"):
        rpm.entry(path)


def test_damage_anywhere_is_understood(built: dict[str, Path], tmp_path: Path) -> None:
    data, path = built["everything"].read_bytes(), tmp_path / "damaged.rpm"
    end = rpmfile.headers(BytesIO(data), len(data)).main.end
    for at in range(96, end, 20):
        path.write_bytes(data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :])
        with suppress(VerificationFailed):  # some of it does not show; none may confuse
            rpm.entry(path)

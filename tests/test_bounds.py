"""What never ends is refused: downloads, redirects, documents, archives; and no secret is said."""

import gzip
import io
import logging
import os
import ssl
import struct
import sys
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from zlib_ng import zlib_ng

from kubewright import downloads, files, inputs, run, tarballs, web
from kubewright.cache import Cache
from kubewright.clients.server import serve
from kubewright.errors import (
    DiskError,
    UpstreamUnreachable,
    VerificationFailed,
)
from kubewright.inputs import InputName
from kubewright.log import _Formatter
from kubewright.models.base import Arch
from kubewright.models.lock import Check, Input
from kubewright.repos.entries import DebEntry
from kubewright.settings import Settings
from kubewright.site import contents, layout
from kubewright.site.directory import DirectoryStore
from kubewright.stages import verify
from kubewright.upstream import SMALL, Upstream
from kubewright.verification import Web as Site
from kubewright.web import WebFiles

SOURCES = str(Path(files.__file__).parents[1])
MIB = 1 << 20
Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server whose every answer is `answer`, until its client has had enough."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                answer(self)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Bytes without a length and without an end."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in count():
        handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def boasting(handler: BaseHTTPRequestHandler) -> None:
    """A length that no file has."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 50))
    handler.end_headers()
    handler.wfile.write(bytes(100))


def bomb(handler: BaseHTTPRequestHandler) -> None:
    """Little that is compressed, and much that it stands for."""
    data = gzip.compress(bytes(64 * MIB))
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


HOSTILE: dict[str, Answer] = {"endless": endless, "boasting": boasting, "bomb": bomb}


def entry(digest: str | None) -> Input:
    return Input(
        component="kubernetes", name="kubelet", version="1.36.4", arch=Arch.amd64,
        url="https://dl.k8s.io/kubelet", sha256=digest, check=Check.checksum,
    )  # fmt: skip


def quiet(_have: int, _total: int | None) -> None:
    pass


# Downloads


@pytest.mark.parametrize("digest", ["0" * 64, None], ids=["known", "unknown"])
@pytest.mark.parametrize("answer", ["endless", "boasting"])
def test_a_download_that_no_upstream_has_is_given_up_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, digest: str | None
) -> None:
    monkeypatch.setattr(downloads, "LARGEST", 8 * MIB)
    refused = pytest.raises(VerificationFailed, match=r"no file of an upstream has more than")
    with serving(HOSTILE[answer]) as url, refused:
        Cache(tmp_path).fetch(Upstream(url), entry(digest), quiet)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("answer", ["endless", "boasting"])
def test_a_download_never_fills_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    monkeypatch.setattr(downloads, "LARGEST", 1 << 60)
    monkeypatch.setattr(downloads, "RESERVE", free - 24 * MIB)
    refused = pytest.raises(DiskError, match=r"but the disk has \d+; free some space, or choose")
    with serving(HOSTILE[answer]) as url, refused:
        Cache(tmp_path).fetch(Upstream(url), entry(None), quiet)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < MIB


def test_a_file_of_a_mirror_that_is_sparse_is_given_up_before_it_is_copied(tmp_path: Path) -> None:
    place = tmp_path / "mirror/dl.k8s.io/kubelet"
    place.parent.mkdir(parents=True)
    with place.open("wb") as stream:
        stream.truncate(500 << 30)
    with pytest.raises(VerificationFailed, match=rf"says that it has {500 << 30} bytes"):
        Cache(tmp_path / "cache").fetch(Upstream(str(tmp_path / "mirror")), entry(None), quiet)
    assert not list((tmp_path / "cache").rglob("*/*"))


@pytest.mark.parametrize("answer", HOSTILE)
def test_a_marker_or_checksum_that_does_not_end_is_refused_not_cut(answer: str) -> None:
    refused = pytest.raises(VerificationFailed, match=rf"is larger than the {SMALL} bytes")
    with serving(HOSTILE[answer]) as url, refused:
        Upstream(url).read("https://dl.k8s.io/release/stable.txt")


def test_a_marker_of_a_mirror_that_does_not_end_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "dl.k8s.io/stable.txt"
    place.parent.mkdir()
    with place.open("wb") as stream:
        stream.truncate(SMALL)
        read = Upstream(str(tmp_path)).read
        assert read("https://dl.k8s.io/stable.txt") == bytes(SMALL)
        stream.truncate(SMALL + 1)
        with pytest.raises(VerificationFailed, match="is larger than"):
            read("https://dl.k8s.io/stable.txt")


# Sites


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("keys/kubewright.gpg", 64 * MIB),
        ("releases/index.json", 64 * MIB),
        ("apt/dists/stable/main/binary-amd64/Packages", 256 * MIB),
        ("apt/dists/stable/main/binary-amd64/Packages.gz", 256 * MIB),
        ("releases/v1.36.4-1/images/hyperkube-v1.36.4-linux-amd64.tar", 16 << 30),
        ("apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb", 2 << 30),
        ("yum/pool/kubelet.rpm", 2 << 30),
    ],
)
def test_each_kind_of_object_has_a_largest_size(path: str, most: int) -> None:
    assert layout.most(path) == most


@pytest.mark.parametrize("path", ["keys/kubewright.gpg", "apt/pool/a.deb"])
@pytest.mark.parametrize("answer", ["endless", "boasting"])
def test_an_object_of_a_site_that_does_not_end_is_refused(answer: str, path: str) -> None:
    with serving(HOSTILE[answer]) as url:
        site = Site(WebFiles(url).opened)
        reads: tuple[Callable[[], object], ...] = (
            lambda: site.read(path, 4 * MIB), lambda: site.measured(path, 4 * MIB),
        )  # fmt: skip
        for read in reads:
            with pytest.raises((VerificationFailed, UpstreamUnreachable)) as caught:
                read()
            why = {"endless": f"{path}: has more than the 4194304", "boasting": "broke off at"}
            assert why[answer] in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/secret",
        "a/%2E%2E/b",
        "../x",
        "a//b",
        "/etc/passwd",
        "a?b",
        "a#b",
        "a\\b",
        "file:x",
        "a\n",
    ],
)
def test_no_path_leads_a_reader_of_a_site_elsewhere_on_its_server(path: str) -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        plain(handler)

    with serving(answer) as url:
        with pytest.raises(VerificationFailed, match="not a path inside a site"):
            Site(WebFiles(f"{url}/site").opened).read(path)
        served = Site(WebFiles(f"{url}/site").opened)
        assert served.read("yum/pool/a+b~1^2&c.rpm") == b"evil"
    assert len(asked) == 1
    assert asked[0].startswith("/site/yum/pool/")


VERIFY = """
import resource, sys
from kubewright.errors import KubewrightError
from kubewright.stages.verify import verify
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    print(verify(sys.argv[1], [], now=1790000000).findings)
except KubewrightError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("answer", ["endless", "boasting"])
def test_verify_of_a_server_that_never_ends_stays_small(answer: str) -> None:
    with serving(HOSTILE[answer]) as url:
        done = run.run([sys.executable, "-c", VERIFY, url], env={"PYTHONPATH": SOURCES})
    why = {"endless": "has more than the 268435456 bytes", "boasting": "refused: "}
    assert why[answer] in done.stdout


@pytest.mark.parametrize("path", ["keys/kubewright.gpg", "releases/index.json"])
def test_an_object_in_a_directory_that_is_too_large_is_named_and_not_read(
    site: Path, path: str
) -> None:
    os.truncate(site / path, 500 << 30)
    with pytest.raises(VerificationFailed, match=rf"{path}: has {500 << 30} bytes, but such an"):
        DirectoryStore(site).get(path)
    done = run.run([sys.executable, "-c", VERIFY, str(site)], env={"PYTHONPATH": SOURCES})
    assert f"{path}: has {500 << 30} bytes" in done.stdout


def then_zeros(head: bytes) -> bytes:
    """A text and 2 GiB of zeros as gzip, of which just 16 MiB are really packed."""
    zeros, times, checksum = bytes(16 * MIB), 128, zlib_ng.crc32(head)
    pieces = []
    for text in (head, zeros):
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        pieces.append(packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH))
    for _ in range(times):
        checksum = zlib_ng.crc32(zeros, checksum)
    size = (len(head) + times * len(zeros)) % (1 << 32)
    start = b"\x1f\x8b\x08" + bytes(7)
    end = b"\x03\0" + struct.pack("<II", checksum, size)  # an empty block is the last
    return b"".join([start, pieces[0], *[pieces[1]] * times, end])


def packed(text: bytes, times: int) -> bytes:
    """A text so many times, as gzip, without ever being whole."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(text) for _ in range(times)), packer.flush()])


@pytest.mark.parametrize(
    "make",
    [
        lambda: then_zeros(b""),
        lambda: b"".join([packed(b" " * MIB, 8)] * 64),
        lambda: packed(b"[" * MIB, 1),
        lambda: b"",
        lambda: b"[]",
        lambda: packed(b"[]", 1)[:-1],
    ],
    ids=["two gigabytes", "many members", "deep", "empty", "plain", "cut"],
)
def test_index_entries_that_unpack_to_too_much_are_none(make: Callable[[], bytes]) -> None:
    data = make()
    place = "releases/v1.36.4-1/index/apt.json.gz"
    with pytest.raises(VerificationFailed, match=rf"^{place}: not the index of a release"):
        contents.read_entries(data, DebEntry, place)
    assert contents.read_entries(contents.write_entries([]), DebEntry, place) == []


def test_an_archive_of_another_size_is_not_unpacked(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpacked(*_: object) -> list[str]:
        raise AssertionError("it is unpacked")

    [archive] = site.glob("releases/*/images/*.tar")
    with archive.open("ab") as stream:
        stream.write(b"more")
    monkeypatch.setattr("kubewright.images.check_layout", unpacked)
    found = {one.place: one.problem for one in verify.verify(str(site), [], now=NOW).findings}
    assert "bytes, not" in found[str(archive.relative_to(site))]


NOW = 1_790_000_000

# Archives


def member(name: str, data: bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, data


def tar(*several: tuple[tarfile.TarInfo, bytes], mode: str = "gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{mode}") as archive:  # type: ignore[call-overload]
        for info, data in several:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def header_only(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header that promises much, and zeros for 2 GiB behind it, as gzip."""
    info, _ = member(name, size=size, type=kind)
    return then_zeros(info.tobuf(tarfile.GNU_FORMAT))


def sparse(name: str) -> bytes:
    """One byte of data, and a real size of 500 GB (pax, GNU.sparse 1.0)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        info, data = member(name, b"1\n499999999999\n1\n".ljust(512, b"\0") + b"x")
        info.pax_headers = {
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name,
            "GNU.sparse.realsize": str(500_000_000_000),
        }  # fmt: skip
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "sparse": lambda: sparse("bin/it"),
    "a sparse neighbour": lambda: sparse("else"),
    "a file of zeros": lambda: header_only("bin/it", 2 << 30),
    "a neighbour of zeros": lambda: header_only("else", 2 << 30),
    "larger than any": lambda: header_only("else", 500 << 30),
    "a long name": lambda: header_only("x", 2 << 30, tarfile.GNUTYPE_LONGNAME),
    "a pax header": lambda: header_only("x", 2 << 30, tarfile.XHDTYPE),
    "zeros at the end": lambda: header_only("bin/it", 0),
}

EXTRACT = """
import resource, sys
from pathlib import Path
from kubewright import inputs
from kubewright.errors import VerificationFailed
from kubewright.inputs import InputName
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_FSIZE, (200 << 20, 200 << 20))
name = InputName("cni", "archive", "bin/it")
for read in (inputs.members, lambda a, n: inputs.extract(a, [n], Path(sys.argv[2]))):
    try:
        print("taken", read(Path(sys.argv[1]), name))
    except VerificationFailed as error:
        print("refused", error.problem)
"""


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_archive_that_holds_more_than_it_can_is_refused_in_little_room(
    tmp_path: Path, bomb: str
) -> None:
    archive = tmp_path / "in.tgz"
    archive.write_bytes(BOMBS[bomb]())
    words = [sys.executable, "-c", EXTRACT, str(archive), str(tmp_path / "out")]
    lines = run.run(words, env={"PYTHONPATH": SOURCES}).stdout.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("refused not a readable archive: ") for line in lines), lines
    written = sum(path.stat().st_size for path in tmp_path.rglob("out/**/*") if path.is_file())
    assert written <= tarballs.RATIO * archive.stat().st_size


@pytest.mark.parametrize("mode", ["", "gz", "bz2", "xz"])
def test_an_honest_archive_is_within_its_bounds(tmp_path: Path, mode: str) -> None:
    text = b"".join(b"line %d of a licence\n" % number for number in range(200_000))
    (tmp_path / "in").write_bytes(tar(member("bin/it", text), mode=mode))
    [path] = inputs.extract(tmp_path / "in", [IT], tmp_path / "out")[IT]
    assert path.read_bytes() == text


IT = InputName("cni", "archive", "bin/it")
ALL = InputName("cni", "archive", "bin/*")


def linked(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=kind, linkname=to)


FOLLOWED: dict[str, list[tuple[tarfile.TarInfo, bytes]]] = {
    "a link": [linked("bin/it", "real"), member("bin/real", b"x")],
    "a link behind its file": [member("bin/real", b"x"), linked("bin/it", "real")],
    "a link to another folder": [linked("bin/it", "../lib/./real"), member("lib/real", b"x")],
    "a link to a link": [
        linked("bin/it", "a"), linked("bin/a", "../lib/real"), member("lib/real", b"x"),
    ],
    "a hard link": [member("lib/real", b"x"), linked("bin/it", "lib/real", tarfile.LNKTYPE)],
    "a hard link, dotted": [
        member("./lib/real", b"x"), linked("./bin/it", "./lib/real", tarfile.LNKTYPE),
    ],
    "the first of two": [
        linked("bin/it", "real"), member("bin/it", b"second"), member("bin/real", b"x"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("wanted", [IT, ALL], ids=["named", "pattern"])
@pytest.mark.parametrize("archive", FOLLOWED)
def test_a_program_that_is_a_link_is_followed_inside_the_archive(
    tmp_path: Path, archive: str, wanted: InputName
) -> None:
    path = tmp_path / "in.tgz"
    path.write_bytes(tar(*FOLLOWED[archive]))
    listed = {one.path: one for one in inputs.members(path, wanted)}
    taken = {one.name: one for one in inputs.extract(path, [wanted], tmp_path / "out")[wanted]}
    assert {name.rpartition("/")[2] for name in listed} == set(taken)
    with listed["bin/it"].open() as stream:
        assert stream.read() == taken["it"].read_bytes() == b"x"
    assert listed["bin/it"].size == 1
    assert not any(one.is_symlink() for one in taken.values())


REFUSED = {
    "out of the archive": linked("bin/it", "../../etc/passwd"),
    "an absolute path": linked("bin/it", "/etc/passwd"),
    "nothing": linked("bin/it", "gone"),
    "itself": linked("bin/it", "it"),
    "a circle": linked("bin/it", "other"),
    "a hard link to nothing": linked("bin/it", "gone", tarfile.LNKTYPE),
    "a device": member("bin/it", type=tarfile.CHRTYPE),
    "a pipe": member("bin/it", type=tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("wanted", [IT, ALL], ids=["named", "pattern"])
@pytest.mark.parametrize("odd", REFUSED)
def test_a_program_that_is_no_file_in_the_archive_is_never_left_out_silently(
    tmp_path: Path, odd: str, wanted: InputName
) -> None:
    path = tmp_path / "in.tgz"
    path.write_bytes(tar(REFUSED[odd], linked("bin/other", "it"), member("bin/real", b"x")))
    for read in (
        lambda: inputs.members(path, wanted),
        lambda: inputs.extract(path, [wanted], tmp_path / "out"),
    ):
        with pytest.raises(VerificationFailed, match=r"bin/(it|other) is a "):
            read()


def test_what_nobody_wants_may_be_anything(tmp_path: Path) -> None:
    path = tmp_path / "in.tgz"
    path.write_bytes(
        tar(
            linked("else", "/etc/passwd"), member("dev", type=tarfile.CHRTYPE),
            linked("lib", "bin"), member("bin/it", b"x"), member("doc/a", b"a"),
            linked("bin/docs", "../doc"),
        )
    )  # fmt: skip
    assert [one.path for one in inputs.members(path, ALL)] == ["bin/it"]
    assert len(inputs.extract(path, [ALL], tmp_path / "out")[ALL]) == 1


# Secrets, and the way to them


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the file by which its clients know it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOCAL)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


LOCAL = ip_address("127.0.0.1")
SECRET = "X-Amz-Signature=S3CRETTOKEN"


def redirecting(to: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"{to}?{SECRET}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def plain(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "4")
    handler.end_headers()
    handler.wfile.write(b"evil")


@pytest.mark.parametrize("to", ["{http}/x", "HTTP://{host}/x", "/x"])
def test_nothing_leaves_https_by_a_redirect(
    certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    context, known = certificate
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(known))
    monkeypatch.setattr(web, "BACKOFF", 0)
    with serving(plain) as http:
        target = to.format(http=http, host=http.removeprefix("http://"))
        with serving(redirecting(target), context) as https:
            reads: list[Callable[[], object]] = [
                lambda: Upstream().read(f"{https}/kubelet"),
                lambda: Upstream().exists(f"{https}/kubelet"),
                lambda: Upstream().stream(f"{https}/kubelet", io.BytesIO(), quiet),
                lambda: Site(WebFiles(https).opened).read("keys/kubewright.gpg"),
            ]
            for read in reads:
                with pytest.raises(UpstreamUnreachable) as caught:
                    read()
                assert ("which is not encrypted" in str(caught.value)) == (to != "/x")
                assert "S3CRET" not in str(caught.value)
        with serving(redirecting(f"{http}/x")) as other:
            assert Upstream().read(f"{other}/kubelet") == b"evil", "http asked for http"


def test_no_token_of_a_redirect_is_said_not_even_with_v(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "BACKOFF", 0)
    with serving(redirecting("http://127.0.0.1:1/x")) as url:
        code, out, said = run("verify", url, "-v")
        assert code == 7
        assert "cannot be reached" in said
        log = Path(said.rpartition("the log of this run: ")[2].strip()).read_text()
        assert "Traceback" in log
        assert "S3CRET" not in out + said + log


@pytest.mark.parametrize("words", [[], ["--json"], ["-v"]], ids=["plain", "json", "verbose"])
def test_the_password_of_a_site_is_in_no_result(
    run: Callable[..., tuple[int, str, str]], released: Settings, words: list[str]
) -> None:
    with serve(Path(released.site)) as url:
        host = url.removeprefix("http://")
        code, out, said = run("verify", f"http://me:topsecret@{host}", *words)
    assert code in (0, 5)
    assert host in out
    assert "topsecret" not in out + said
    assert "me:" not in out


def test_a_traceback_has_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("Max retries: http://me:topsecret@host/a?token=topsecret (refused)")
    except ValueError:
        record = logging.LogRecord("kubewright", 10, "", 0, "it failed", None, sys.exc_info())
    text = _Formatter().format(record)
    assert "Max retries: http://host/a (refused)" in text
    assert "topsecret" not in text.replace("raise ValueError(", "")

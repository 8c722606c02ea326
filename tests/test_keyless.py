"""Keyless signatures: a real one of Kubernetes', and those of authorities of our own that are wrong
in one thing each.
"""

import base64
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from kubewright import files, keyless
from kubewright.cli.shipped import shipped
from kubewright.errors import VerificationFailed
from kubewright.models.base import Arch
from kubewright.models.components import Components, Signature
from kubewright.models.lock import Component, Input
from kubewright.models.mirror import NAME, Mirror
from kubewright.resolution import pin_inputs
from kubewright.resolution.pin_inputs import inputs
from kubewright.stages.stated import dependency
from kubewright.upstream import Upstream

REAL = json.loads((Path(__file__).parent / "golden/keyless/kubernetes.json").read_text())

WHO, BY = "releases@example.org", "https://accounts.example.org"
MADE = datetime(2026, 9, 1, tzinfo=UTC)
DATA = b"a program"

OLD, NEW = ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), ObjectIdentifier("1.3.6.1.4.1.57264.1.8")

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """Who issues certificates."""

    def __init__(
        self, name: str, above: "Authority | None" = None, *, ca: bool = True, days: int = 3650
    ) -> None:
        self.name, self.key = named(name), ec.generate_private_key(ec.SECP384R1())
        signer = above or self
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "crl_sign", "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(MADE - timedelta(days=30))
            .not_valid_after(MADE - timedelta(days=30) + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(key_cert_sign=ca, **usage), critical=True)
            .sign(signer.key, SHA256())
        )
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    def leaf(
        self,
        key: Key,
        names: tuple[x509.GeneralName, ...] = (x509.RFC822Name(WHO),),
        issuers: tuple[tuple[ObjectIdentifier, bytes], ...] = ((OLD, BY.encode()),),
        use: ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
    ) -> bytes:
        """The certificate of a signer, in PEM."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(MADE)
            .not_valid_after(MADE + timedelta(minutes=10))
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        for oid, value in issuers:
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)


def signed(key: ec.EllipticCurvePrivateKey, data: bytes = DATA) -> bytes:
    return base64.b64encode(key.sign(data, ec.ECDSA(SHA256())))


def der(text: str) -> bytes:
    return bytes([12, len(text)]) + text.encode()


ROOT = Authority("root")
BETWEEN = Authority("between", ROOT)
KEY = ec.generate_private_key(ec.SECP256R1())
KNOWN = ROOT.pem + BETWEEN.pem


def check(certificate: bytes, signature: bytes | None = None, known: bytes = KNOWN) -> None:
    keyless.check(
        files.sha256(DATA), signed(KEY) if signature is None else signature, certificate, known,
        identity=WHO, issuer=BY, place="x.sig",
    )  # fmt: skip


def test_a_signature_that_kubernetes_has_made_is_good() -> None:
    authorities = shipped().components.authorities["sigstore"].encode()

    def real(**other: str) -> None:
        said = {**REAL, **other}
        keyless.check(
            said["sha256"], said["signature"].encode(), said["certificate"].encode(), authorities,
            identity=said["identity"], issuer=said["issuer"], place="x.sig",
        )  # fmt: skip

    real()
    with pytest.raises(VerificationFailed, match="not a signature over the file"):
        real(sha256="0" * 64)
    with pytest.raises(VerificationFailed, match=r"signed by krel-trust@.*, not by krel-staging"):
        real(identity="krel-staging@k8s-releng-prod.iam.gserviceaccount.com")
    with pytest.raises(VerificationFailed, match=r"accounts.google.com vouches for it, not"):
        real(issuer="https://token.actions.githubusercontent.com")


@pytest.mark.parametrize(
    "issuers",
    [((OLD, BY.encode()),), ((NEW, der(BY)),), ((OLD, BY.encode()), (NEW, der(BY)))],
    ids=["bare", "der", "both"],
)
@pytest.mark.parametrize("packed", [bytes, base64.b64encode], ids=["pem", "base64"])
def test_a_good_certificate_counts_in_each_of_its_forms(
    issuers: tuple[tuple[ObjectIdentifier, bytes], ...], packed: Callable[[bytes], bytes]
) -> None:
    check(packed(BETWEEN.leaf(KEY, issuers=issuers)))


STRANGER = Authority("root")
NO_CA = Authority("no authority", ROOT, ca=False)
PAST = Authority("past", ROOT, days=10)

WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "other bytes": (
        lambda: check(BETWEEN.leaf(KEY), signed(KEY, b"another program")),
        "not a signature over the file",
    ),
    "another key": (
        lambda: check(BETWEEN.leaf(KEY), signed(ec.generate_private_key(ec.SECP256R1()))),
        "not a signature over the file",
    ),
    "no signature": (lambda: check(BETWEEN.leaf(KEY), b""), "not a signature|does not count"),
    "a signature that is no base64": (lambda: check(BETWEEN.leaf(KEY), b"<html>"), "not count"),
    "a page in place of the certificate": (lambda: check(b"<html>404</html>"), "not count"),
    "no certificate": (lambda: check(b""), "does not count"),
    "two certificates": (lambda: check(BETWEEN.leaf(KEY) * 2), "2 certificates in place of one"),
    "an authority of the same name": (lambda: check(STRANGER.leaf(KEY)), "of no authority"),
    "an authority below one of the same name": (
        lambda: check(Authority("between", STRANGER).leaf(KEY)),
        "of no authority",
    ),
    "issued by what is no authority": (
        lambda: check(NO_CA.leaf(KEY), known=KNOWN + NO_CA.pem),
        "of no authority",
    ),
    "issued when the authority was over": (
        lambda: check(PAST.leaf(KEY), known=KNOWN + PAST.pem),
        "CN=past was not valid",
    ),
    "a middle without its root": (
        lambda: check(BETWEEN.leaf(KEY), known=BETWEEN.pem),
        "of no authority",
    ),
    "somebody else": (
        lambda: check(BETWEEN.leaf(KEY, (x509.RFC822Name(f"x{WHO}"),))),
        f"signed by x{WHO}, not by {WHO}",
    ),
    "somebody else too": (
        lambda: check(BETWEEN.leaf(KEY, (x509.RFC822Name(WHO), x509.RFC822Name("x@example.org")))),
        "x@example.org, not by",
    ),
    "a host's name too": (
        lambda: check(BETWEEN.leaf(KEY, (x509.RFC822Name(WHO), x509.DNSName("example.org")))),
        "signed by",
    ),
    "nobody": (lambda: check(BETWEEN.leaf(KEY, ())), "does not say who signed"),
    "vouched for by another": (
        lambda: check(BETWEEN.leaf(KEY, issuers=((OLD, b"https://evil.example"),))),
        "evil.example vouches for it",
    ),
    "vouched for by two": (
        lambda: check(
            BETWEEN.leaf(KEY, issuers=((OLD, BY.encode()), (NEW, der("https://evil.example"))))
        ),
        "evil.example vouches for it",
    ),
    "vouched for by nobody": (
        lambda: check(BETWEEN.leaf(KEY, issuers=())),
        "nobody vouches for it",
    ),
    "not for signing": (
        lambda: check(BETWEEN.leaf(KEY, use=ExtendedKeyUsageOID.SERVER_AUTH)),
        "not for signing programs",
    ),
    "a key of another kind": (
        lambda: check(BETWEEN.leaf(rsa.generate_private_key(65537, 2048))),
        "not an elliptic curve",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_signature_with_something_wrong_does_not_count(case: str) -> None:
    attempt, problem = WRONG[case]
    with pytest.raises(VerificationFailed, match=problem) as caught:
        attempt()
    assert str(caught.value).startswith("x.sig: ")


def ours(*, required: bool = False) -> Components:
    """The recipes, with authorities of our own for kubernetes."""
    known = shipped().components
    signature = Signature(
        url="{url}.sig", certificate="{url}.cert", identity=WHO, issuer=BY, authority="own",
        required=required, source="a test",
    )  # fmt: skip
    kubernetes = known.components["kubernetes"].model_copy(update={"signature": signature})
    return known.model_copy(
        update={
            "authorities": {"own": KNOWN.decode()},
            "components": {**known.components, "kubernetes": kubernetes},
        }
    )


def kubelet(mirror: Path, components: Components, *allowed: str) -> Input:
    """The kubelet of v1.36.4 as it is resolved."""
    release = Component(
        name="kubernetes", version="1.36.4", range="", status="validated", reason="", epoch=0
    )
    wanted, _ = inputs([release], components, (Arch.amd64,))
    (entry,) = (one for one in wanted if one.name == "kubelet")
    ((found,), _) = pin_inputs(
        [entry], components, Upstream(str(mirror)), jobs=1, allow_unverified=allowed
    )
    return found


@pytest.fixture
def mirror(sample_mirror: Path, tmp_path: Path) -> Path:
    """The kubelet of the sample in a mirror that says nothing of itself, signed."""
    place = "dl.k8s.io/release/v1.36.4/bin/linux/amd64"
    folder = tmp_path / "mirror" / place
    folder.mkdir(parents=True)
    for name in ("kubelet", "kubelet.sha256"):
        shutil.copy(sample_mirror / place / name, folder)
    (folder / "kubelet.sig").write_bytes(signed(KEY, (folder / "kubelet").read_bytes()))
    (folder / "kubelet.cert").write_bytes(base64.b64encode(BETWEEN.leaf(KEY)))
    return tmp_path / "mirror"


def beside(mirror: Path, ending: str) -> Path:
    return mirror / f"dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet{ending}"


def test_who_has_signed_stands_in_the_lock_and_in_provenance(mirror: Path) -> None:
    found = kubelet(mirror, ours())
    assert found.signed_by == WHO
    assert dependency(found).annotations["signedBy"] == WHO
    digest = Hash(SHA256())
    digest.update(beside(mirror, "").read_bytes())
    assert found.sha256 == digest.finalize().hex()


def test_a_wrong_signature_is_refused_unless_the_component_may_be_unverified(
    mirror: Path, caplog: pytest.LogCaptureFixture
) -> None:
    beside(mirror, ".sig").write_bytes(signed(KEY, b"another program"))
    place = r"kubelet\.sig( \(read from .*\))?: not a signature over"
    refusal = f"{place} .*--allow-unverified kubernetes"
    with pytest.raises(VerificationFailed, match=refusal):
        kubelet(mirror, ours())
    assert kubelet(mirror, ours(), "kubernetes").signed_by == ""
    assert re.search(place, caplog.text)
    # As v1.35.0's kubectl for amd64 was at upstream: signature and checksum disagree.
    with pytest.raises(VerificationFailed, match=refusal):
        kubelet(mirror, ours(required=True))


@pytest.mark.parametrize("lost", [".sig", ".cert"])
def test_recipes_say_whether_a_file_needs_a_signature(mirror: Path, lost: str) -> None:
    beside(mirror, lost).unlink()
    assert kubelet(mirror, ours()).signed_by == ""
    with pytest.raises(VerificationFailed, match=r"no such signature, and recipes require it"):
        kubelet(mirror, ours(required=True))
    assert kubelet(mirror, ours(required=True), "kubernetes").signed_by == ""


@pytest.mark.parametrize("kind", ["sample", "source"])
def test_what_a_mirror_has_made_itself_is_signed_by_nobody_upstream(
    mirror: Path, kind: str
) -> None:
    (mirror / NAME).write_bytes(Mirror.model_validate({"kind": kind}).to_bytes())
    assert kubelet(mirror, ours(required=True)).signed_by == ""


def test_recipes_that_name_no_such_authority_are_a_mistake() -> None:
    known = ours().model_dump()
    with pytest.raises(ValueError, match=r"kubernetes.signature.authority: .* has no 'own'"):
        Components.model_validate(known | {"authorities": {}})

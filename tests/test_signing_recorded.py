"""Signatures of a fixed key are the bytes that they were when these values were recorded.

Whatever signs, and however the code around it is arranged: a release that is signed again is the
same release. The two secret keys in golden/keys are for this test alone.
"""

import json
import struct
from pathlib import Path

import pytest

from kubewright.files import canonical_json, sha256
from kubewright.signing import cosign, keyfile, provenance, rpm
from kubewright.signing.keys import artifact_key, key_file, repo_key
from kubewright.signing.roles import Keys

GOLDEN = Path(__file__).parent / "golden" / "keys"
MADE = 1_700_000_000
WHEN = MADE + 1000
TEXT = b"Origin: Kubewright\n- a dash\nDescription: spaces  \t\n end\n"

RECORDED = {
    "fingerprint": "FAEE78EE37748BFE02FE123C58B968BF47F19CEB",
    "certificate": "6e254c67ca134591308fbd05359ef8ffbfa9bfb7db12863ca53760de3a4aa8f5",
    "armored certificate": "8853e50dbc2184a2b0397ed3b18ba84b3964e699812f610dc5712b8b8afaa19f",
    "detached": "25df2a68403f60dab22feeb8da1fd181352b86d6bc1a6dd7edf707bfafd2c009",
    "armored detached": "e7d6c2260b72758df5532f5aa9ead29f6220cdc1fa6317e15ece7273cf13cd44",
    "InRelease": "a9941fa23b920b1c3ec9f4f47f9323098d6d7aae1f35896b060746c7d53f64df",
    "rpm": "b9c8c730e53c637cadf692a10d684f63741a33e38f273e6eec32b511a944f59b",
    "key id": "ab98fe282e0ff1b2276cbbbaf3afa4900bfbfa24591913f413b1fd6face947fe",
    "public PEM": "1686deed002b27418eeb611de37af75bdf989f09af72bf185fb0373d7496e2d6",
    "artifact": "5ea927dd96fa04f4d331cca85d5700ec7a40f54ba5f9dbef24ef6d7269a39c3e",
    "image": "cf306d184baf8910f36e47dda7a65609fef58923409b4a91eaecd5af684f4aed",
    "envelope": "9b3bc067e0db3306eddbd292af3906ac10fa9d7fb3c668b54d8b158823b2bec0",
}
"""The SHA-256 of what was signed with the code of commit 0207aa0; names as they are. The envelope
had its lines indented then, and is compared so.
"""


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(
        repo=repo_key(f"file:{GOLDEN}/repo-key.asc", now=WHEN),
        artifact=artifact_key(f"file:{GOLDEN}/artifact-key.pem"),
    )


def small_rpm() -> bytes:
    """The least that is an rpm: a lead, a signature header with a digest, a header, a payload."""
    digest = header([(269, 6, b"0" * 40 + b"\0")])
    lead = b"\xed\xab\xee\xdb\x03\x00" + bytes(90)
    return lead + digest + bytes(-len(digest) % 8) + header([(1000, 6, b"demo\0")]) + b"payload"


def header(entries: list[tuple[int, int, bytes]]) -> bytes:
    """An rpm header of entries (tag, type, value), each with one value."""
    index, store = b"", b""
    for tag, kind, value in entries:
        index += struct.pack(">IIII", tag, kind, len(store), 1)
        store += value
    counts = struct.pack(">II", len(entries), len(store))
    return b"\x8e\xad\xe8\x01" + bytes(4) + counts + index + store


def test_every_kind_of_signature_is_what_was_recorded(keys: Keys) -> None:
    repo, artifact = keys.repo, keys.artifact
    image = cosign.signature_image("example.org/pause", "sha256:" + "ab" * 32, None, artifact)
    made = {
        "certificate": repo.certificate,
        "armored certificate": repo.armored.encode(),
        "detached": repo.detached(TEXT, WHEN),
        "armored detached": repo.armored_detached(TEXT, WHEN),
        "InRelease": repo.clearsign(TEXT, WHEN),
        "rpm": rpm.sign(small_rpm(), repo, WHEN),
        "public PEM": artifact.public_pem,
        "artifact": artifact.sign(TEXT),
        "image": image.manifest.data,
        "envelope": canonical_json(json.loads(provenance.envelope(TEXT, artifact))),
    }
    digests = {name: sha256(data) for name, data in made.items()}
    names = {"fingerprint": repo.fingerprint, "key id": artifact.key_id}
    assert digests | names == RECORDED


def test_a_key_file_is_written_as_it_was_when_the_key_was_made(keys: Keys) -> None:
    data = (GOLDEN / "repo-key.asc").read_bytes()
    read = keyfile.read(data, place="repo-key.asc")
    assert key_file(read.private, keys.repo.user_id, MADE, None) == data

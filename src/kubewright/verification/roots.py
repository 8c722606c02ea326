"""A root that the caller trusts in place of keys: it says which keys sign the site's documents."""

from contextlib import suppress

from kubewright.errors import RequestError, VerificationFailed
from kubewright.metadata import chain, formats
from kubewright.metadata.library import Root
from kubewright.signing.public import ArtifactPublicKey
from kubewright.verification.source import Source, getting


def is_root(data: bytes) -> bool:
    """Whether a file that is trusted is a root, and not a key."""
    return data.lstrip().startswith(b"{")


def signers(source: Source, root: bytes) -> dict[str, bytes]:
    """The keys that the newest root after a trusted one lets sign documents, by their ids.

    Raises RequestError for a file that is no root.
    """
    try:
        newest = formats.parse(Root, root, "--key")
    except VerificationFailed as error:
        raise RequestError("--key", "neither a key nor a root", "export it again") from error
    with suppress(VerificationFailed):  # found where the site's roots are checked
        newest = chain.roots([root], getting(source), "--key").newest
    found = {}
    for public in formats.public_keys(newest, "targets"):
        key = ArtifactPublicKey(public, development=False)
        found[key.key_id] = key.public_pem
    return found

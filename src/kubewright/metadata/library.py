"""The library that knows TUF's metadata, without what it would load for signers of others: boto3
alone takes as long to load as all else that a verb needs, and pkcs11 is for tokens.
"""

import sys

__all__ = [
    "DeserializationError", "JSONSerializer", "Key", "MetaFile", "Metadata", "RepositoryError",
    "Role", "Root", "SSlibKey", "Signature", "Snapshot", "TargetFile", "Targets", "Timestamp",
]  # fmt: skip

_UNUSED = {name: None for name in ("boto3", "pkcs11") if name not in sys.modules}
"""To the library these are not installed; None is how an interpreter says so."""

try:
    sys.modules |= _UNUSED  # type: ignore[arg-type]
    from securesystemslib.signer import Key, Signature, SSlibKey
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import (
        Metadata,
        MetaFile,
        Role,
        Root,
        Snapshot,
        TargetFile,
        Targets,
        Timestamp,
    )
    from tuf.api.serialization import DeserializationError
    from tuf.api.serialization.json import JSONSerializer
finally:
    for name in _UNUSED:
        del sys.modules[name]

"""Checks the yum snapshots of a channel's record, the present one and those before it."""

from kubewright.errors import VerificationFailed
from kubewright.models.document import REMEDY
from kubewright.models.site import Channel
from kubewright.repos import yum
from kubewright.site import layout
from kubewright.verification.walk import Walk


def check(walk: Walk, record: Channel) -> None:
    """A snapshot is called after repomd.xml, signature and keys: so all three are as meant."""
    for base, repodata in record.repodata.items():
        path = layout.snapshot_path(record.channel, base, repodata.snapshot)
        place = f"{path}/{yum.REPOMD}"
        with walk.tally.check(place):
            repomd, signature = walk.must(place), walk.must(f"{place}.asc")
            name = yum.snapshot_id(signature, walk.must(f"{place}.key"), repomd)
            signer = walk.openpgp(f"{place}.asc", repomd, past=True)
            if name != repodata.snapshot and signer is not None:
                raise VerificationFailed(
                    f"{place}.key", "not the keys that the snapshot was made with", REMEDY
                )

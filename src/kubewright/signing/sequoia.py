"""How Sequoia's complaints are taken: they are pages long, and name no file."""

from collections.abc import Iterator
from contextlib import contextmanager

import pysequoia

from kubewright.errors import KubewrightError


@contextmanager
def refusing(failure: KubewrightError) -> Iterator[None]:
    """Raise `failure` in place of whatever Sequoia raises inside the block.

    Much of a key or packet is read only when it is asked for: all of that belongs inside.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise failure from error


def user_ids(certificate: pysequoia.Cert) -> list[str]:
    """The names of a certificate.

    Raises RuntimeError unless the certificate vouches for itself, by a signature that its own key
    made and that is not from the future: the signature covers the key, its names and its dates.
    """
    return [str(user) for user in certificate.user_ids]

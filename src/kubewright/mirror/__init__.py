"""Upstream mirrors: directories with the layout HOST/PATH that `--upstream` reads instead of the
real hosts.
"""

from kubewright.mirror.make_sample import KUBERNETES, sample
from kubewright.mirror.writer import Summary, Writer

__all__ = ["EPOCH", "KUBERNETES", "Summary", "Writer", "sample"]

EPOCH = 1767225600
"""The date of a sample mirror's files, 2026-01-01: any fixed one makes the same mirror again."""

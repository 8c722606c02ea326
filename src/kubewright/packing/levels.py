"""How hard zstd works: two levels, and how a record names them."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import zstandard

from kubewright.models.base import PackageCompression

_SMALLEST_WINDOW = 10


@dataclass(frozen=True)
class Level:
    """zstd's level, and the largest window as a power of two: the memory that a reader needs.

    dpkg and rpm read windows of up to 2^27 bytes. `together` is the window of archives with several
    large files, which are searched as a whole for what they have in common; 0: each for itself.
    """

    level: int
    window: int
    together: int = 0

    def parameters(
        self, size: int, *, together: bool = False
    ) -> zstandard.ZstdCompressionParameters:
        """What a compressor of `size` bytes is told."""
        enough = max(_SMALLEST_WINDOW, (size - 1).bit_length())
        return zstandard.ZstdCompressionParameters.from_level(
            self.level,
            source_size=size,
            window_log=min(self.together if together else self.window, enough),
            enable_ldm=together,
            write_content_size=False,
            write_checksum=False,
        )


LEVELS: Final = MappingProxyType[PackageCompression, Level](
    {"fast": Level(3, window=23), "small": Level(18, window=25, together=26)}
)
"""With a window of 32 MB level 18 makes what 19 makes with its own of 8 MB, in three quarters of
the time; zstd's largest windows would ask nodes for 128 MB to unpack with. Level 3 with 8 MB is
smaller than dpkg-deb's, with 2 MB, in the same time.
"""


def described(compression: PackageCompression) -> str:
    """The compressor as records state it: another version or level may give other bytes."""
    version = ".".join(str(part) for part in zstandard.ZSTD_VERSION)
    level = LEVELS[compression]
    together = f", together {level.together}" if level.together else ""
    return f"{version} level {level.level} window {level.window}{together}"

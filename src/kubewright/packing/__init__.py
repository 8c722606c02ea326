"""Packs archives for packages with zstd, so that those with the same files share the work."""

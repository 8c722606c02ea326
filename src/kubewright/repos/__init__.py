"""Apt suites and yum repositories as bytes: rendered from index entries, and read back."""

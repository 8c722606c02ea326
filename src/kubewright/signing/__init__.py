"""Signatures: the keys, what they sign, and how a stranger checks it."""

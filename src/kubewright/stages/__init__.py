"""The stages, one module a verb: each reads `dist/`, calls its room, and writes `dist/` or a
site.
"""

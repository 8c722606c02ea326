"""The site: apt suites and yum repositories as bytes, where they lie, and the store that they are
written to.
"""

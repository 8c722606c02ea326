"""Frozen typed records that stages, recipes and sites exchange; nothing here does input or
output.
"""

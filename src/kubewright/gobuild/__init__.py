"""Compiles Kubernetes, hyperkube and their companions from Go modules, reproducibly and never
twice.
"""

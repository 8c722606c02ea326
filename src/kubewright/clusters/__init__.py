"""Clusters of one container: begun, found, waited for and removed by a Docker engine."""

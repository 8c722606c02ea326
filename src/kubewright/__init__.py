"""Kubewright: from one version word to signed apt and yum repositories and a release manifest."""

__version__ = "0.1.0"

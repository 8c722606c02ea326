"""The release that tests render packages of, with one version of each component."""

from typing import Any

from kubewright.cli.shipped import shipped
from kubewright.models.base import Arch
from kubewright.models.lock import Component, Release

VERSIONS = {
    "kubernetes": "1.36.4",
    "pause": "3.10.2",
    "etcd": "3.6.8",
    "containerd": "2.3.6",
    "runc": "1.4.2",
    "docker": "29.8.1",
    "cri-dockerd": "0.4.4",
    "cni-plugins": "1.9.1",
    "cri-tools": "1.36.0",
}
RELEASE = Release(
    name="v1.36.4-1",
    kubernetes="1.36.4",
    revision=1,
    source_date_epoch=0,
    architectures=(Arch.amd64,),
    components=tuple(
        Component(name=name, version=version, range="*", status="supported", reason="", epoch=0)
        for name, version in VERSIONS.items()
    ),
)
SETTINGS: dict[str, Any] = {
    "registry": "registry.example.org/k8s",
    "site_url": "https://packages.example.org",
    "channel": "stable-1.36",
    "key_name": "kubewright-archive-keyring.gpg",
    "key_armored": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
    "key_date": "2026.11.22",
    "node_spec": shipped().node_spec(RELEASE),
}

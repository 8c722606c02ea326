"""The roles that sign: who signs repositories and rpms, and who signs images and manifests."""

from dataclasses import dataclass

from kubewright.signing.keys import ArtifactKey, RepoKey


@dataclass(frozen=True)
class Keys:
    """The two keys of a release."""

    repo: RepoKey
    artifact: ArtifactKey

    @property
    def development(self) -> bool:
        """Whether either is a development key."""
        return self.repo.development or self.artifact.development

    def moment(self, epoch: int) -> int:
        """When artifacts are signed: their own date, but never before the key existed."""
        return max(epoch, self.repo.created)

"""TUF metadata for a site that a test has changed by hand, signed as its publisher would."""

import json
from pathlib import Path

from kubewright import files
from kubewright.metadata import formats
from kubewright.metadata.formats import Origin, RoleKeys, Target
from kubewright.metadata.names import role_path
from kubewright.models.base import DAY
from kubewright.models.site import LONGEST, State
from kubewright.signing.roles import Keys
from kubewright.site import backups, layout


def vouch(root: Path, keys: Keys, state: bytes, *, now: int, days: int = LONGEST) -> None:
    """Let the metadata of a site lead to a state (its bytes), and name what lies there by now.

    The snapshots before are forgotten.
    """
    for pattern in ("tuf/*.snapshot.json", "tuf/*.targets.json", "publications/metadata/[0-9]*"):
        for path in root.glob(pattern):
            if ".root." not in path.name:
                path.unlink()
    word = leading_to(root, keys.roles, state, version=1, now=now, days=days)
    for place in (layout.TIMESTAMP, layout.FINISHED):
        replace(root / place, word)


def leading_to(
    root: Path, keys: RoleKeys, state: bytes, *, version: int, now: int, days: int = LONGEST
) -> bytes:
    """A timestamp that leads to a state; what it names is put on the site."""
    said = State.model_validate(json.loads(state), extra="allow")
    origin = Origin(said.site, said.number, files.sha256(state), None)
    until = now + LONGEST * DAY
    listed = formats.targets(version, until, named(root, said, state))
    names = formats.signed(listed, keys.artifact)
    snapshot = formats.signed(formats.snapshot(version, until, names, origin), keys.artifact)
    made = {role_path("targets", version): names, role_path("snapshot", version): snapshot}
    copy = backups.metadata(str(version), made)
    assert isinstance(copy.content, bytes)
    for path, data in {**made, copy.path: copy.content}.items():
        replace(root / path, data)
    meta = formats.described(version, snapshot)
    return formats.signed(formats.timestamp(100, now + days * DAY, meta), keys.freshness)


def replace(path: Path, data: bytes) -> None:
    """Other bytes in a file, which may be a second name of another site's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def named(root: Path, said: State, state: bytes) -> dict[str, Target]:
    """What the targets of a site name, as it lies there."""
    index = layout.index_copy(said.index.sequence, said.index.sha256)
    paths = [layout.state_copy(said.number, files.sha256(state)), index, layout.STATE, layout.INDEX]
    for name, copy in said.channels.items():
        paths += [
            layout.channel_path(name),
            layout.channel_copy(name, copy.sequence, copy.sha256),
        ]
    paths += [path for path in said.files if path.startswith("keys/")]
    for pattern in ("manifest.json", "index/*.json.gz"):
        paths += [str(path.relative_to(root)) for path in root.glob(f"releases/*/{pattern}")]
    found = {}
    for path in paths:
        if (root / path).is_file():
            data = (root / path).read_bytes()
            found[path] = Target(len(data), files.sha256(data))
    return found

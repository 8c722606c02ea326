"""apt in a root of its own: what it knows, and nothing of this machine's."""

from pathlib import Path


def made(root: Path, *sources: str) -> dict[str, str]:
    """The environment in which apt has these lines of sources, and all its files below a root."""
    for name in (
        "etc/apt/apt.conf.d",
        "etc/apt/preferences.d",
        "var/lib/dpkg",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
    ):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "etc/apt/sources.list").write_text("".join(f"deb {line}\n" for line in sources))
    (root / "apt.conf").write_text(
        f'Dir "{root}"; Dir::State::status "{root}/var/lib/dpkg/status";\n'
        'Dir::Bin::Methods "/usr/lib/apt/methods"; APT::Sandbox::User "root";\n'
        'Acquire::Languages "none"; APT::Architecture "amd64"; APT::Update::Error-Mode "any";\n'
    )
    return {"APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C"}

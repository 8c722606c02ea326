"""How companions are compiled from Go modules, as `recipes/go.toml` states it."""

from typing import Self

from pydantic import Field, model_validator

from kubewright.models.base import Arch, Model, Version


class Needs(Model):
    """The C libraries that must be on the machine that compiles."""

    pkg_config: tuple[str, ...] = Field(
        alias="pkg-config", description="libraries, as pkg-config calls them"
    )
    install: str = Field(description="what to type to have them")


class GoComponent(Model):
    """The modules of a component and the programs in them."""

    modules: dict[str, str] = Field(
        min_length=1, description="folder in the source tree: module; `.` is the tree"
    )
    programs: dict[str, str] = Field(
        min_length=1, description="file name: its package, a path in the source tree"
    )
    set: tuple[str, ...] = Field(
        (), description="PACKAGE.VARIABLE=TEXT for the linker, with {version} and {commit}"
    )
    commits: dict[Version, str] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    cgo: bool = Field(False, description="has C in it; linked statically all the same")
    architectures: tuple[Arch, ...] = Field(
        (), description="that it can be compiled for; empty: all of them"
    )
    needs: Needs | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        for program, package in self.programs.items():
            if self.folder(package) is None:
                raise ValueError(f"programs.{program}: {package!r} is in none of the modules")
        return self

    def compiles_for(self, arch: Arch) -> bool:
        """Whether it can be compiled for an architecture."""
        return not self.architectures or arch in self.architectures

    def folder(self, package: str) -> str | None:
        """The folder of the module that a package is in: the longest that its path begins with."""
        inside = [
            name for name in self.modules if name == "." or f"{package}/".startswith(f"{name}/")
        ]
        return max(inside, key=len, default=None)

    def variables(self, version: str) -> tuple[str, ...]:
        """`set` for a version, without what needs a commit that is not known."""
        commit = self.commits.get(version, "")
        known = (text for text in self.set if commit or "{commit}" not in text)
        return tuple(text.format(version=version, commit=commit) for text in known)


class GoRecipe(Model):
    """The whole of `recipes/go.toml`."""

    components: dict[str, GoComponent]

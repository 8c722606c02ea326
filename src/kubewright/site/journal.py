"""A store that notes what it changes, for reports of what a publication wrote."""

from kubewright.site.store import Change, Data, Paths, Store


class Journal:
    """Passes everything on to another store, and keeps a list of the objects that really
    changed.
    """

    def __init__(self, store: Store) -> None:
        """`store` does the work."""
        self.store = store
        self.changes: list[Change] = []

    def read(self, path: str) -> bytes | None:  # noqa: D102
        return self.store.read(path)

    def exists(self, path: str) -> bool:  # noqa: D102
        return self.store.exists(path)

    def size(self, path: str) -> int | None:  # noqa: D102
        return self.store.size(path)

    def digest(self, path: str) -> str | None:  # noqa: D102
        return self.store.digest(path)

    def list(self, prefix: str) -> Paths:  # noqa: D102
        return self.store.list(prefix)

    def create(self, path: str, data: Data) -> bool:  # noqa: D102
        return self._noted(self.store.create(path, data), path, "create")

    def replace(self, path: str, data: Data) -> bool:  # noqa: D102
        return self._noted(self.store.replace(path, data), path, "replace")

    def swap(self, path: str, expected: bytes | None, data: bytes) -> None:  # noqa: D102
        self.store.swap(path, expected, data)
        self._noted(True, path, "replace" if expected else "create")

    def link(self, source: str, path: str) -> bool:  # noqa: D102
        return self._noted(self.store.link(source, path), path, "link")

    def _noted(self, changed: bool, path: str, action: str) -> bool:
        if changed:
            self.changes.append(
                Change.model_validate(
                    {"path": path, "action": action, "size": self.size(path) or 0}
                )
            )
        return changed

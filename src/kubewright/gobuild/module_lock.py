"""Makes the lock of hyperkube's modules for a Kubernetes release: its go.mod, and a go.sum checked
by the database.
"""

import shutil
import tempfile
from pathlib import Path

from kubewright import files, run
from kubewright.errors import ToolFailed
from kubewright.gobuild import go, gomod, toolchain
from kubewright.models.base import Arch


def lock(kubernetes: str, content: Path) -> list[Path]:
    """Write `content`/hyperkube/locks/vVERSION/go.mod and go.sum, and return those that changed.

    Everything is asked anew, so each checksum comes from the Go checksum database. Raises
    NotOffered for a release that the module proxy lacks, and what `go.explain` knows.
    """
    folder = content / "hyperkube"
    tools = toolchain.find()
    with tempfile.TemporaryDirectory(prefix="kubewright-lock-") as name:
        work = Path(name)
        release = go.download(tools, gomod.KUBERNETES, kubernetes, cwd=work)
        stated = gomod.parse(
            release.go_mod.read_text(encoding="utf-8"), f"{gomod.KUBERNETES} v{kubernetes}"
        )
        tools.need(stated.go, f"Kubernetes v{kubernetes}")
        for path in sorted(folder.rglob("*.go")):
            (work / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, work / path.relative_to(folder))
        (work / "go.mod").write_text(
            gomod.render(kubernetes, stated, release.commit), encoding="utf-8"
        )
        try:
            run.run(
                [tools.go, "mod", "tidy"],
                env={**tools.environment(Arch.amd64), "GOFLAGS": "-mod=mod"},
                cwd=work,
            )
        except ToolFailed as error:
            raise go.explain(str(error), f"hyperkube for v{kubernetes}") or error from error
        gomod.check(
            gomod.parse((work / "go.mod").read_text(), "go.mod"), kubernetes, stated, "go mod tidy"
        )
        target = folder / "locks" / f"v{kubernetes}"
        both = {target / part: (work / part).read_bytes() for part in ("go.mod", "go.sum")}
    return [path for path, data in both.items() if files.write(path, data)]

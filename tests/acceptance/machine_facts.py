"""What a run depends on: the machine, the checkout, and what earlier runs have left to use
again.
"""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import traces
from supply import Supply

COLD, WARM = 75, 15
"""How many minutes a full run may take on two cores: with Kubernetes to compile, and with
everything cached.
"""


def facts(supply: Supply, versions: list[str]) -> dict[str, str]:
    """What stands at the top of the report. Ask before the run begins."""
    release = platform.freedesktop_os_release()["PRETTY_NAME"]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "Started": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Checkout": checkout(),
        "Kubernetes": ", ".join(versions),
        "Machine": f"{release}, kernel {platform.release()}, control groups "
        f"v{2 if traces.two() else 1}, "
        f"{os.cpu_count()} cores, {memory:.0f} GiB of memory",
        "Site": f"{supply.network.site}, images in {supply.network.registry}",
        "Caches": caches(supply, versions),
    }


def checkout() -> str:
    """The commit, and whether files differ from it."""
    said = [
        subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        ).stdout
        for words in (("log", "-1", "--format=%h %s"), ("status", "--porcelain"))
    ]
    return (said[0].strip() or "not a Git checkout") + (
        ", with changes that are not committed" if said[1] else ""
    )


def caches(supply: Supply, versions: list[str]) -> str:
    """What earlier runs have left, after one word for it: cold, warm or partly warm."""
    compiled = [
        one for one in versions if (supply.upstream / "dl.k8s.io" / "release" / f"v{one}").is_dir()
    ]
    made = [one for one in versions if (supply.work / "dist" / f"v{one}-1" / "sign.json").exists()]
    roots = sorted(path.stem for path in (supply.work / "roots").glob("*.tar"))
    there = {"compiled": compiled, "released": made, "clean roots": roots}
    word = (
        "cold"
        if len(compiled) < len(versions)
        else "warm"
        if made == versions and len(roots) > 1
        else "partly warm"
    )
    listed = "; ".join(f"{what}: {', '.join(names) or 'none'}" for what, names in there.items())
    return f"{word} ({listed})"


def allowed(caches: str) -> int:
    """How many minutes a full run may take with these caches."""
    return WARM if caches.startswith("warm") else COLD

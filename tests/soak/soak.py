"""Lets apt, dnf and zypper follow a site that is published without rest: `./nox -s soak`; README.md
beside this file says how.
"""

import argparse
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

sys.path.append(str(Path(__file__).parent.parent))

import pytest
import s3_server
import urllib3
from in_place import Aptly, Createrepo, turning
from peers import gpg
from refreshing import KINDS, Client, Followed
from served import directory, forwarding, serving
from unresting import FOLLOWED, Told, publishing, releases

from kubewright import files, run
from kubewright.errors import KubewrightError, ToolFailed, ToolMissing
from kubewright.gobuild import toolchain
from kubewright.models.artifact import Package
from kubewright.settings import Settings
from kubewright.stages import verify
from kubewright.stages.keys import keys as keys_of
from kubewright.stages.site import published_keys
from kubewright.workspace import Workspace

SHARES: Mapping[str, float] = {"apt": 0.5, "dnf": 0.25, "zypper": 0.25}
"""Of all refreshes, each kind of client's."""
AT_ONCE: Mapping[str, int] = {"apt": 4, "dnf": 3, "zypper": 3}
"""How many of each kind there are."""
LATENCY = 0.05
"""Seconds that each request waits for its answer."""
PEERS = 0.1
"""Of the refreshes, so many for the peers."""
STEP = 200
"""After so many refreshes it says how many are left."""
BUCKET = "soak"


@dataclass
class Count:
    """What came of one kind of client."""

    good: Counter[str] = field(default_factory=Counter)
    """By what was done: a refresh that knew nothing, or something of before, or a download."""
    bad: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)
    """The output of each failure."""


Counts = dict[str, Count]


class Soaking:
    """Clients that refresh until each kind has done its share."""

    def __init__(self, clients: Mapping[str, Sequence[Client]], refreshes: int) -> None:
        self.clients = clients
        self.counts: Counts = {kind: Count() for kind in clients}
        self.lock = threading.Lock()
        whole = sum(SHARES[kind] for kind in clients)
        self.left = {kind: round(refreshes * SHARES[kind] / whole) for kind in clients}

    def run(self) -> Counts:
        """Let all of them refresh, fresh at every second time. Ctrl-C ends it, and what was counted
        until then counts.
        """
        pairs = [(kind, one) for kind, group in self.clients.items() for one in group]
        with ThreadPoolExecutor(len(pairs)) as pool:
            try:
                for done in [pool.submit(self._follow, *pair) for pair in pairs]:
                    done.result()
            except KeyboardInterrupt:
                with self.lock:
                    self.left.clear()
        return self.counts

    def _follow(self, kind: str, client: Client) -> None:
        fresh = False
        while self._take(kind):
            fresh = not fresh
            refresh = "fresh" if fresh else "kept"
            if self._tried(kind, refresh, partial(client.refresh, fresh=fresh)):
                self._tried(kind, "download", client.download)
        client.end()

    def _take(self, kind: str) -> bool:
        with self.lock:
            left = self.left.get(kind, 0)
            if left > 0:
                self.left[kind] = left - 1
                if sum(self.left.values()) % STEP == 0:
                    bad = failures(self.counts)
                    print(f"{sum(self.left.values())} left, {bad} failures", file=sys.stderr)
            return left > 0

    def _tried(self, kind: str, what: str, act: Callable[[], None]) -> bool:
        count, started = self.counts[kind], time.time()
        try:
            act()
        except (ToolFailed, OSError) as error:
            with self.lock:
                if self.left:  # else Ctrl-C has ended the client
                    count.bad[what] += 1
                    when = f"from {started:.2f} to {time.time():.2f}"
                    count.said.append(f"{what}, {when}: {error}")
            return False
        with self.lock:
            count.good[what] += 1
        return True


def made(work: Path, followed: Followed, kinds: Sequence[str]) -> dict[str, list[Client]]:
    """Clients of these kinds, each with a root of its own below `work`."""
    found: dict[str, list[Client]] = {}
    for kind in kinds:
        roots = [work / f"{kind}-{number}" for number in range(AT_ONCE[kind])]
        found[kind] = [KINDS[kind](root, followed) for root in roots]
    return found


@dataclass
class Site:
    """A site that is soaked, and how clients reach it."""

    settings: Settings
    """Of the publisher."""
    names: list[str]
    followed: Followed


@contextmanager
def site(kind: str, work: Path) -> Iterator[Site]:
    """An empty site in a directory, or in a bucket of a server on this machine, behind a gateway
    with latency.
    """
    port = s3_server.free_port()
    url = f"http://127.0.0.1:{port}"
    settings, names = releases(work, url, 7)
    key = work / "key.gpg"
    key.write_bytes(keys_of(settings).repo.certificate)
    yum = f"mirrorlist={url}/yum/{FOLLOWED}/x86_64/mirrorlist"
    followed = Followed(f"{url}/apt {FOLLOWED} main", yum, key)
    with ExitStack() as stack:
        if kind == "directory":
            settings = settings.model_copy(update={"site": str(work / "site")})
            stack.enter_context(
                serving(partial(directory, work / "site"), latency=LATENCY, port=port)
            )
        else:
            os.environ.update(s3_server.ACCOUNT)
            store = stack.enter_context(s3_server.running())
            pool = urllib3.PoolManager(maxsize=64)
            pool.request("PUT", f"{store}/{BUCKET}")
            objects = partial(forwarding, f"{store}/{BUCKET}/site", pool)
            stack.enter_context(serving(objects, latency=LATENCY, port=port))
            there = {"site": f"s3://{BUCKET}/site", "s3_endpoint": store}
            settings = settings.model_copy(update=there)
        yield Site(settings, names, followed)


def ours(kind: str, refreshes: int, work: Path, seed: int) -> tuple[Counts, Told]:
    """Soak a site of ours; what came of it. Raises what `verify` finds in the end."""
    with site(kind, work) as there:
        clients = made(work / "clients", there.followed, [*KINDS])
        with publishing(there.settings, there.names, seed, LATENCY) as publisher:
            counts = Soaking(clients, refreshes).run()
            told = publisher.stop()
        if told is None:
            raise RuntimeError("the publisher ended before the clients did")
        told.failed.extend(wrong(there.settings))
        return counts, told


def wrong(settings: Settings) -> list[str]:
    """What the verification of a site finds."""
    now = settings.model_copy(update={"now": int(time.time())})
    trusted = published_keys(now, keys_of(now))
    report = verify.verify(now.site, trusted, now=now.now, s3_endpoint=now.s3_endpoint)
    return [f"verify: {one.place}: {one.problem}" for one in report.findings]


def theirs(refreshes: int, work: Path) -> dict[str, tuple[Counts, int]]:
    """The same with what others publish; what came of it, and how often they published."""
    settings, names = releases(work, "", 3)
    keys = keys_of(settings)
    key = work / "key.gpg"
    key.write_bytes(keys.repo.certificate)
    found = {}
    packages = [_packages(settings, name) for name in names[:2]]
    debs, rpms = (
        [[path for path in each if path.suffix == suffix] for each in packages]
        for suffix in (".deb", ".rpm")
    )
    with gpg(work, keys) as agent:
        for name, kinds, peer in (
            ("aptly", ["apt"], lambda: Aptly(work, agent, debs)),
            ("createrepo_c and gpg", ["dnf", "zypper"], lambda: Createrepo(work, agent, rpms)),
        ):
            publisher = peer()
            with (
                serving(partial(directory, publisher.root), latency=LATENCY) as url,
                turning(publisher) as turns,
            ):
                followed = Followed(f"{url} stable main", f"baseurl={url}/", key)
                clients = made(work / f"of-{kinds[0]}", followed, kinds)
                counts = Soaking(clients, refreshes).run()
            found[name] = counts, turns[0]
    return found


def _packages(settings: Settings, name: str) -> list[Path]:
    record = Workspace(settings.dist / name).record("sign")
    packages: Sequence[Package] = record.packages if record else ()
    return [settings.dist / name / one.path for one in packages]


def table(name: str, counts: Counts) -> Iterator[str]:
    """What came of each kind of client, a line each."""
    yield f"{name:<24} {'fresh':>13} {'kept':>13} {'download':>13}   ok / failed"
    for kind, count in counts.items():
        cells = [
            f"{count.good[what]} / {count.bad[what]}" for what in ("fresh", "kept", "download")
        ]
        yield f"  {kind:<22} " + " ".join(cell.rjust(13) for cell in cells)


def times(told: Told) -> Iterator[str]:
    """What each verb took the publisher, a line each: medians."""
    yield f"{'medians':<10} {'seconds':>8} {'processor':>10} {'requests':>9} {'rounds':>7}"
    for verb, all_of in sorted(told.took.items()):
        seconds, processor, requests, rounds = map(median, zip(*all_of, strict=True))
        yield f"{verb:<10} {seconds:>8.2f} {processor:>10.2f} {requests:>9.0f} {rounds:>7.0f}"


def refreshes_of(counts: Counts) -> int:
    """All of them, those that failed too."""
    both = [each for count in counts.values() for each in (count.good, count.bad)]
    return sum(each["fresh"] + each["kept"] for each in both)


def failures(counts: Counts) -> int:
    """Of refreshes and downloads."""
    return sum(count.bad.total() for count in counts.values())


def keep(folder: Path, name: str, counts: Counts) -> None:
    """Write the output of every failure below a folder."""
    for kind, count in counts.items():
        for number, text in enumerate(count.said, 1):
            files.write(folder / name / f"{kind}-{number}.txt", text.encode())


def require(*, bucket: bool, peer: bool) -> None:
    """Say what is missing before anything is done. Raises ToolMissing."""
    if bucket:
        toolchain.find()  # compiles the store
    wanted = {
        "apt-get": "use a Debian", "dnf": "apt-get install dnf", "gpgconf": "apt-get install gnupg",
        "zypper": "apt-get install zypper (dnf-plugins-core of Debian removes it)",
    }  # fmt: skip
    if peer:
        wanted |= {"aptly": "apt-get install aptly", "createrepo_c": "apt-get install createrepo-c"}
    for program, install in wanted.items():
        run.find(program, install=install)


def main() -> int:
    """Soak what is asked for; 1 if a client of ours failed, or the publisher did."""
    parser = argparse.ArgumentParser(prog="./nox -s soak --", description=__doc__)
    parser.add_argument("--refreshes", type=int, default=5000, help="of all clients together")
    parser.add_argument(
        "--site", choices=("directory", "bucket"), action="append", help="both by default"
    )
    parser.add_argument("--peer", action="store_true", help="soak aptly and createrepo_c, too")
    parser.add_argument("--seed", type=int, default=random.randrange(1000), help="of the verbs")
    parser.add_argument(
        "--failures", type=Path, default=Path("build/soak"), help="where their output is kept"
    )
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # what the publisher says of itself is not asked for here
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does, from afar, too
    kinds = options.site or ["directory", "bucket"]
    require(bucket="bucket" in kinds, peer=options.peer)
    shutil.rmtree(options.failures, ignore_errors=True)
    bad = 0
    for kind in kinds:
        with _own_folder() as work:
            bad += _report(kind, options, *ours(kind, options.refreshes, work, options.seed))
    if options.peer:
        with _own_folder() as work:
            for name, (counts, turns) in theirs(round(options.refreshes * PEERS), work).items():
                print("\n".join(table(f"{name}, in place", counts)))
                print(f"  published {turns} times; {failures(counts)} failures\n")
                keep(options.failures, name.partition(" ")[0], counts)
    if bad:
        print(f"{bad} failures; their output is in {options.failures}")
    return int(bad > 0)


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A folder for everything, and development keys in it; its path is short, for gpg's agent."""
    with tempfile.TemporaryDirectory(prefix="kw-soak-") as work:
        os.environ["KUBEWRIGHT_DATA"] = f"{work}/data"
        yield Path(work)


def _report(kind: str, options: argparse.Namespace, counts: Counts, told: Told) -> int:
    """Print what came of a site of ours; the number of failures."""
    print("\n".join(table(f"kubewright, {kind}", counts)))
    done = ", ".join(f"{count} {verb}" for verb, count in sorted(told.done.items()))
    print(f"  the publisher (seed {options.seed}): {done}")
    print("\n".join(f"    {line}" for line in times(told)))
    for refusal, count in sorted(told.refused.items()):
        print(f"    refused {count} times: {refusal}")
    bad = failures(counts) + len(told.failed)
    print(f"  {refreshes_of(counts)} refreshes; {bad} failures\n", flush=True)
    keep(options.failures, kind, counts)
    if told.failed:
        files.write(options.failures / kind / "publisher.txt", "\n".join(told.failed).encode())
    return bad


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KubewrightError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except pytest.skip.Exception as error:  # the store cannot be compiled here
        print(error, file=sys.stderr)
        sys.exit(ToolMissing.exit_code)

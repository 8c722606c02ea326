"""With `--json` every verb prints one object of a kind that has a schema; so do errors."""

import errno
import importlib
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import click
import pytest

from kubewright.cli import main
from kubewright.cli.answer_table import ANSWERS, ERROR
from kubewright.cli.verbs import commands
from kubewright.gobuild.parity import Comparison, Parity
from kubewright.models.answer import Answer
from kubewright.models.cluster import Begun, Cluster, Ended
from kubewright.stages import catalog, cluster, hyperkube, keys, mirror
from kubewright.stages.mirror import Gap, Nearest, SourceSummary

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "docs" / "schemas" / "answers"
NOW = 1_790_000_000

CONFIGURATION = """
upstream = "MIRROR"
cache = "cache"
arch = "amd64"
site = "site"
url = "https://packages.example.org"
state = "state"
allow-development = true
repo-key = "file:keys/repo-key.asc"
artifact-key = "file:keys/artifact-key.pem"
next-repo-key = "file:keys/next-repo-key.pub.asc"
freshness-key = "file:keys/freshness-key.pem"
root = "keys/root.json"
"""
KEY = "--key keys/root.json"
ELSEWHERE = "--url https://elsewhere.example.org"
FOLLOWING = "--next-repo-key file:other/next-repo-key.pub.asc"
LINES = f"""
key init keys --now {NOW}
key show
key check --at 2027-05-31
key certify hsm:token/object certificate.asc
key root new next.json --after keys/root.json --root-key file:keys/root-key.pem --now {NOW}
key root sign next.json --after keys/root.json --root-key file:keys/root-key.pem
key root show keys/root.json
mirror download v1.36.3 download --dry-run
mirror sample sample --kubernetes 1.36.4
mirror source 1.36.4 source
resolve v1.36.4 --from v1.35.9 --offline --dist way
resolve v1.36.3 --distro debian-12 --now {NOW}
explain etcd v1.36.3 --offline --distro debian-12
fetch --dry-run
fetch
package --dry-run
package
image --dry-run
image --archive images.tar
image --load images.tar
sign --dry-run
sign --now {NOW}
publish --dry-run --now {NOW}
publish --now {NOW}
release v1.36.4 --dry-run --now {NOW + 60}
release v1.36.4 --now {NOW + 60}
verify site {KEY} --url https://packages.example.org --state state --now {NOW + 60}
history
history stable
promote v1.36.3-1 --to prod --now {NOW + 120}
rollback stable --dry-run --now {NOW + 180}
rollback stable --now {NOW + 180}
refresh --now {NOW + 864000}
repair --now {NOW + 864000}
withdraw v1.36.4-1 --reason CVE --now {NOW + 864060}
prune --keep 1 --for 0 --now {NOW + 864120}
sync site copy {KEY} --state other --now {NOW + 864240}
bundle make v1.36.3-1 bundle.tar --site site {KEY} --state other --now {NOW + 864240}
bundle load bundle.tar --site far {KEY} --now {NOW + 864240}
key rotate announce --now {NOW + 864300}
site move {ELSEWHERE} --now {NOW + 864330}
key init other --now {NOW}
key revoke keys/next-repo-key.asc {ELSEWHERE} {FOLLOWING} --now {NOW + 864360}
catalog check
catalog diff
catalog new 1.99
hyperkube lock 1.36.4
hyperkube parity 1.36.4
cluster up
cluster list
cluster down
doctor
manual man1
"""
"""One way to use every command, in an order that works; each is given --json."""


def stand_ins(patch: pytest.MonkeyPatch) -> None:
    """What would compile, ask an engine or a token, or write into the checkout."""
    patch.setattr(
        mirror, "source",
        lambda *_: SourceSummary(
            files=1, written=1,
            nearest=(Nearest(component="etcd", wanted="3.6.8", there="3.6.7"),),
            unavailable=(Gap(component="docker", version="29.1", reason="no modules"),),
        ),
    )  # fmt: skip
    patch.setattr(hyperkube, "lock", lambda *_: [Path("go.mod")])
    answer = Comparison(program="kubelet", asked="--help", lines=3, accepted=("+x",))
    patch.setattr(hyperkube, "parity", lambda *_: Parity(kubernetes="1.36.4", answers=(answer,)))
    patch.setattr(catalog, "new", lambda *_: Path("recipes/catalog/1.99.toml"))
    patch.setattr(keys, "certify", lambda *_: "0" * 40)
    one = Cluster(
        name="dev", version="v1.36.4", state="running", server="https://127.0.0.1:6443",
        image="hyperkube-cluster:v1.36.4", container="0", volume="dev", created="2026-11-30",
    )  # fmt: skip
    patch.setattr(cluster, "up", lambda *_: Begun(cluster=one, milliseconds=3000))
    patch.setattr(cluster, "listing", lambda: [one])
    patch.setattr(
        cluster, "down", lambda *_: Ended(name="dev", container=True, volume=True, kubeconfigs=())
    )
    patch.setattr("kubewright.images.load", lambda _: ("hyperkube:v1.36.3",))
    patch.setattr("kubewright.needs.require", lambda *_: None)


def call(words: list[str]) -> tuple[int, str, str]:
    """Run a command line; its exit code, what it prints and what it says."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code, out.getvalue(), err.getvalue()


def judge(answer: type[Answer]) -> Any:
    """What says whether an object is such an answer, by the schema that is published."""
    schema = json.loads((SCHEMAS / f"{answer.type_name()}.json").read_bytes())
    kind = importlib.import_module("jsonschema").validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def of(line: str) -> str:
    """The words of the command in a line."""
    return max((words for words in ANSWERS if f"{line} ".startswith(f"{words} ")), key=len)


def kinds() -> list[type[Answer]]:
    """Every kind of answer."""
    found: dict[type[Answer], None] = {ERROR: None}
    for answers in ANSWERS.values():
        found |= dict.fromkeys(answers)
    return list(found)


JSON = [name for name, one in commands() if any(part.name == "as_json" for part in one.params)]


def test_the_page_has_every_command_that_takes_json_and_no_other() -> None:
    assert list(ANSWERS) == JSON


def test_every_answer_is_as_its_schema_says(
    sample_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stand_ins(monkeypatch)
    Path("kubewright.toml").write_text(CONFIGURATION.replace("MIRROR", str(sample_mirror)))
    seen = set()
    for line in LINES.strip().splitlines():
        code, out, err = call([*line.split(), "--json"])
        assert code == 0, (line, err)
        said = json.loads(out)
        known = {one.type_name(): one for one in ANSWERS[of(line)]}
        name = said["header"]["type"].removeprefix("kubewright.")
        assert name in known, line
        wrong = [f"{one.json_path}: {one.message}" for one in judge(known[name]).iter_errors(said)]
        assert wrong == [], line
        assert ("--dry-run" in line) == said.get("dry_run", name == "plan"), line
        seen.add((of(line), name))
    wanted = []
    for words, answers in ANSWERS.items():
        wanted += [(words, one.type_name()) for one in answers]
    assert seen == set(wanted), "each command prints each of its kinds"


@pytest.mark.parametrize("answer", kinds(), ids=lambda answer: answer.type_name())
def test_a_schema_says_what_every_key_means_and_bites(answer: type[Answer]) -> None:
    schema = answer.json_schema()
    assert schema["$id"] == f"urn:kubewright:{answer.type_name()}:1"
    objects = [schema, *schema.get("$defs", {}).values()]
    for part in objects:
        assert part.get("additionalProperties", True) is not False
        for key, value in part.get("properties", {}).items():
            assert value.get("description"), (part["title"], key)
    assert list(judge(answer).iter_errors({"header": {"type": "kubewright.x", "version": 1}}))


ERRORS = [
    (["history", "nowhere"], 2, "no such channel"),
    (["history", "--nonsense"], 2, "no verb has such an option"),
    (["history", "--channel", "x"], 2, "does not take it"),
    (["resolve"], 2, "Missing argument 'REQUEST'."),
    (["fetch", "--jobs", "many"], 2, "'many' is not a valid integer"),
    (["resolv"], 2, "No such command 'resolv'"),
    (["key", "shw"], 2, "No such command 'shw'"),
    (["verify", "."], 5, "this is no published site"),
]


@pytest.mark.parametrize(("words", "code", "problem"), ERRORS, ids=lambda value: str(value)[:40])
def test_an_error_is_one_object_too(
    words: list[str], code: int, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = call([*words, "--json"])
    said = json.loads(out)
    assert list(judge(ERROR).iter_errors(said)) == []
    assert (got, said["error"]["exit_code"]) == (code, code)
    assert problem in said["error"]["problem"]
    assert problem in " ".join(err.split())
    assert said["error"]["place"]
    assert said["error"]["remedy"]
    assert call(words)[1] == ""


@pytest.mark.parametrize(
    ("failure", "code", "problem"),
    [
        (click.Abort(), 130, "stopped"),
        (ValueError("of ours"), 1, "ValueError: of ours"),
        (OSError(errno.ENOSPC, "No space left on device", "file"), 8, "disk is full"),
    ],
    ids=["stopped", "unexpected", "disk"],
)
def test_what_ends_a_verb_is_one_object_too(
    failure: BaseException, code: int, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise failure

    monkeypatch.setattr(catalog, "check", failing)
    got, out, _ = call(["catalog", "check", "--json"])
    said = json.loads(out)
    assert list(judge(ERROR).iter_errors(said)) == []
    assert (got, said["error"]["exit_code"]) == (code, code)
    assert problem in said["error"]["problem"]

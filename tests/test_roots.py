"""`key root`: who may sign a site, said off line by people who need not meet."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import files
from kubewright.cli import main
from kubewright.signing import roots

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in a directory of its own; exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        out, err = capsys.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0, out, err

    return command


@pytest.fixture
def two(run: Run) -> Run:
    """Two people have keys, and a root that needs both of them."""
    for name in ("ada", "bob"):
        assert run("key", "init", name)[0] == 0
    public = (
        "--artifact-public",
        "ada/artifact-key.pub",
        "--freshness-public",
        "ada/freshness-key.pub",
    )
    code, out, _ = run(
        "key", "root", "new", "1.json", "--root-key", "file:ada/root-key.pem",
        "--root-public", "bob/root-key.pub", "--threshold", "2", *public,
    )  # fmt: skip
    assert code == 0
    assert "not signed enough: 1 more by keys of root 1" in out
    return run


def test_a_root_is_good_when_enough_of_its_holders_have_signed(two: Run) -> None:
    code, _, err = two("key", "show", "--root", "1.json")
    assert code == 2
    assert "--root 1.json: not signed by the root keys that root 1 names" in err
    assert "`kubewright key root sign`" in err
    code, out, _ = two("key", "root", "sign", "1.json", "--root-key", "file:bob/root-key.pem")
    assert code == 0
    assert "not signed enough" not in out
    assert roots.trusted([Path("1.json")]) == (Path("1.json").read_bytes(),)
    code, out, _ = two("key", "root", "show", "1.json", "--json")
    shown = json.loads(out)
    assert (shown["version"], shown["threshold"], shown["missing"]) == (1, 2, [])
    assert shown["sha256"] == files.sha256(Path("1.json").read_bytes())


def test_a_next_root_keeps_the_holders_and_needs_the_ones_before(two: Run) -> None:
    two("key", "root", "sign", "1.json", "--root-key", "file:bob/root-key.pem")
    two("key", "init", "carol")
    code, out, _ = two(
        "key", "root", "new", "2.json", "--after", "1.json", "--root-key", "file:ada/root-key.pem",
        "--root-public", "ada/root-key.pub", "--root-public", "carol/root-key.pub",
        "--freshness-public", "carol/freshness-key.pub",
    )  # fmt: skip
    assert code == 0
    assert "1 more by keys of root 1" in out
    assert "1 more by keys of root 2" in out
    code, _, err = two("key", "root", "show", "2.json")
    assert (code, "name that one with --after" in err) == (2, True)
    for name in ("bob", "carol"):
        code, out, _ = two(
            "key", "root", "sign", "2.json", "--after", "1.json",
            "--root-key", f"file:{name}/root-key.pem",
        )  # fmt: skip
        assert code == 0
    assert "not signed enough" not in out
    first, second = (json.loads(Path(name).read_bytes())["signed"] for name in ("1.json", "2.json"))
    assert first["roles"]["targets"] == second["roles"]["targets"]
    assert first["roles"]["timestamp"] != second["roles"]["timestamp"]
    assert second["roles"]["root"]["threshold"] == 2


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("new", "1.json", "--root-key", "file:ada/root-key.pem"), "1.json: exists already"),
        (
            ("new", "2.json", "--root-key", "file:ada/root-key.pem"),
            "role: nobody holds it; name",
        ),
        (("new", "2.json", "--after", "nowhere.json"), "--after nowhere.json: No such file"),
        (
            ("new", "2.json", "--after", "ada/root-key.pub"),
            "--after ada/root-key.pub: no TUF metadata",
        ),
        (
            ("new", "2.json", "--after", "1.json", "--threshold", "3"),
            "--threshold 3: there are 2",
        ),
        (
            ("new", "2.json", "--after", "1.json", "--artifact-public", "ada/repo-key.pub.asc"),
            "--artifact-public ada/repo-key.pub.asc: not just public keys",
        ),
        (("sign", "1.json", "--root-key", "file:bob/artifact-key.pem"), "no root names it"),
        (("sign", "1.json", "--root-key", "file:nowhere"), "nowhere: No such file"),
        (("show", "ada/root-key.pem"), "--root ada/root-key.pem: no TUF metadata"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    two: Run, words: tuple[str, ...], problem: str
) -> None:
    before = Path("1.json").read_bytes()
    code, _, err = two("key", "root", *words)
    assert code == 2
    assert problem in err
    assert "; " in err, "there is a remedy"
    assert (Path("1.json").read_bytes(), Path("2.json").exists()) == (before, False)


def test_check_fails_ahead_of_the_day_on_which_the_root_expires(run: Run) -> None:
    made = 1_790_000_000
    _, out, _ = run("key", "init", "keys", "--now", str(made))
    named = out.split()
    day = ("key", "check", *named, "--now", str(made))
    assert run(*day, "--at", "2027-09-20")[0] == 0
    code, out, _ = run(*day, "--at", "2027-09-23")
    assert code == 5
    assert "--root: expires on 2027-09-22" in out

"""The door to other programs: what they see of the caller."""

import pytest

from kubewright.run import run


def seen(monkeypatch: pytest.MonkeyPatch, name: str) -> str:
    """What a program sees of a variable that the caller has set."""
    monkeypatch.setenv(name, "set by the caller")
    lines = run(["env"]).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines).get(name, "")


@pytest.mark.parametrize(
    "name",
    [
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ],
)
def test_a_program_reaches_the_network_the_way_that_the_caller_does(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert seen(monkeypatch, name) == "set by the caller"


@pytest.mark.parametrize("name", ["LC_ALL", "TZ", "SOURCE_DATE_EPOCH", "KUBEWRIGHT_SITE"])
def test_a_program_sees_nothing_that_could_leak_into_what_it_writes(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert seen(monkeypatch, name) != "set by the caller"

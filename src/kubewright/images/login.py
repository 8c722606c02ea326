"""Finds the account that `docker login` has stored for a registry."""

from kubewright.errors import RequestError


def account(host: str) -> tuple[str, str] | None:
    """The user's name and password for a registry, or None.

    From `config.json` in the directory DOCKER_CONFIG or ~/.docker, and the credential helpers that
    it names. Raises RequestError when they cannot be read.
    """
    from docker import auth
    from docker.errors import DockerException

    try:
        login = auth.load_config().resolve_authconfig(host) or {}
        # Those of credential helpers have capitals.
        login = {key.lower(): value for key, value in login.items()}
    except (DockerException, ValueError) as error:
        raise RequestError(
            host,
            f"the login that Docker has stored is unreadable ({error})",
            f"log in again: docker login {host}",
        ) from error
    if "identitytoken" in login:
        raise RequestError(
            host,
            "Docker has stored an identity token",
            f"log in with a name and password or access token instead: docker login -u NAME {host}",
        )
    return (login["username"], login["password"]) if login.get("username") else None

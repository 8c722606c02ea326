"""The verbs that help a shell and a reader: completion, manual."""

from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from kubewright import __version__
from kubewright.cli.facts import Option, Page, pages
from kubewright.cli.options import shared, show_json
from kubewright.cli.tool_answers import Files
from kubewright.files import write
from kubewright.settings import Settings

SHELLS = ("bash", "zsh", "fish")

SUMMARY = "releases of Kubernetes as packages, images and signed repositories"

CODES = {
    0: "done", 1: "unexpected, or stopped", 2: "bad request or configuration",
    3: "a needed tool is missing", 4: "a tool failed", 5: "verification failed",
    6: "publication conflict", 7: "upstream unreachable", 8: "disk or bucket",
}  # fmt: skip
"""The exit codes, as docs/errors.md explains them."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@shared(to_json=False)
def completion(settings: Settings, shell: str) -> None:
    """Print what lets a shell complete verbs and options: for a file that the shell reads."""
    kind = get_completion_class(shell)
    if kind is not None:
        group = click.get_current_context().find_root().command
        click.echo(kind(group, {}, "kubewright", "_KUBEWRIGHT_COMPLETE").source())


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@shared()
def manual(settings: Settings, as_json: bool, directory: Path) -> None:
    """Write a manual page for each command into DIR, such as ~/.local/share/man/man1."""
    directory = directory.expanduser()
    directory.mkdir(parents=True, exist_ok=True)
    written = {directory / name: text for name, text in manuals(list(pages())).items()}
    for path, text in written.items():
        write(path, text.encode())
    if as_json:
        show_json(Files(files=tuple(map(str, written))))
        return
    click.echo(f"{directory}: {len(written)} manual pages; read them with `man kubewright`")


def manuals(every: list[Page]) -> dict[str, str]:
    """Every manual page in roff, by its file's name."""
    own = {f"{_name(page.words)}.1": _manual(page) for page in every}
    return {"kubewright.1": _first(every), **own}


def _name(words: str) -> str:
    return f"kubewright-{words.replace(' ', '-')}"


def roff(text: str) -> str:
    """Text as roff shows it: no hyphen becomes another sign, and no line a request."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe


def _head(name: str, summary: str) -> Iterator[str]:
    yield f'.TH "{roff(name.upper())}" 1 "" "Kubewright {__version__}" "Kubewright"'
    yield f".SH NAME\n{roff(name)} \\- {roff(summary.removesuffix('.'))}"


def _manual(page: Page) -> str:
    summary, *more = page.text
    lines = [*_head(_name(page.words), summary)]
    lines.append(f".SH SYNOPSIS\n.B {roff(f'kubewright {page.words}')}\n{roff(page.usage)}")
    lines.append(f".SH DESCRIPTION\n{roff(summary)}")
    lines += [f".PP\n{roff(paragraph)}" for paragraph in more]
    if page.options:
        lines.append(".SH OPTIONS")
        lines += map(_option, page.options)
    lines.append(".SH EXIT STATUS")
    lines += [f".TP\n.B {code}\n{roff(text)}" for code, text in CODES.items()]
    others = [*page.below] or ["", *page.words.split()[:-1]]
    names = [_name(words) if words else "kubewright" for words in others]
    lines.append(".SH SEE ALSO\n" + ",\n".join(f"\\fB{roff(name)}\\fR(1)" for name in names))
    return "\n".join(lines) + "\n"


def _option(option: Option) -> str:
    names = ", ".join(f"\\fB{roff(name)}\\fR" for name in option.names)
    value = f" \\fI{roff(option.value)}\\fR" if option.value else ""
    more = f" Default: {option.default}." if option.default else ""
    more += f" Variable: {option.variable}." if option.variable else ""
    return f".TP\n{names}{value}\n{roff(option.help + more)}"


def _first(every: list[Page]) -> str:
    """The page of the program itself."""
    lines = [*_head("kubewright", SUMMARY)]
    lines.append(".SH SYNOPSIS\n.B kubewright\nVERB [OPTIONS] [ARGUMENTS]")
    lines.append(
        ".SH DESCRIPTION\nFrom one version word to signed apt and yum repositories, hyperkube"
        " images and a release manifest. Options may stand in \\fIkubewright.toml\\fR, in the"
        " working directory or the nearest folder above it."
    )
    lines.append(
        ".SH OPTIONS\n.TP\n\\fB\\-\\-config\\fR \\fIFILE\\fR\nBefore the verb: read that file"
        " instead. Variable: KUBEWRIGHT_CONFIG."
    )
    lines.append(".SH COMMANDS")
    for page in every:
        if not page.below:
            lines.append(f".TP\n\\fB{roff(_name(page.words))}\\fR(1)\n{roff(page.text[0])}")
    return "\n".join(lines) + "\n"

"""What an acceptance run did: chapters of steps with their times, as words while it runs, then as
JSON and a page.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import jinja2

Result = Literal["passed", "noticed", "failed", "interrupted"]
"""How a step ended. Noticed: it failed as it should, because of a fault that the run had made."""

MARKS: dict[Result, str] = {
    "passed": "ok",
    "noticed": "found",
    "failed": "FAIL",
    "interrupted": "STOP",
}
"""The same in a column of words."""


class Noticed(Exception):
    """A deliberate fault was named where a person would look; the message is what that person
    sees.
    """


@dataclass
class Step:
    """One step: what it was, how it ended, how long it took in seconds, and what it showed, by
    title.
    """

    name: str
    result: Result = "passed"
    seconds: float = 0.0
    shown: dict[str, str] = field(default_factory=dict)


@dataclass
class Chapter:
    """Steps that belong together."""

    title: str
    steps: list[Step] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long its steps took."""
        return sum(step.seconds for step in self.steps)

    @property
    def result(self) -> Result:
        """How it ended: as its worst step."""
        return max((step.result for step in self.steps), key=list(MARKS).index, default="passed")


@dataclass
class Report:
    """The chapters of a run in their order, the facts that they depend on, and how long they may
    take.
    """

    title: str
    facts: dict[str, str] = field(default_factory=dict)
    allowed: int = 0
    """Minutes; 0 if nobody minds."""
    chapters: list[Chapter] = field(default_factory=list)

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self.chapters.append(Chapter(title))
        say(f"\n══ {title}")

    @contextmanager
    def step(self, name: str, look: Callable[[], str] = str) -> Iterator[None]:
        """Time a step. If it fails, show what `look` finds, and let the error through; not so a
        noticed fault.
        """
        step = Step(name)
        self.chapters[-1].steps.append(step)
        say(f"…     {name}")
        start = time.monotonic()
        try:
            yield
        except Noticed as fault:
            step.result = "noticed"
            self.show("what one sees", str(fault))
        except BaseException as error:
            step.result = "failed" if isinstance(error, Exception) else "interrupted"
            if isinstance(error, Exception):
                self.show("why it failed", f"{str(error) or type(error).__name__}\n\n{seen(look)}")
            raise
        finally:
            step.seconds = round(time.monotonic() - start, 1)
            say(f"{MARKS[step.result]:<5} {name}: {step.seconds:.1f} s")

    def show(self, title: str, text: str) -> None:
        """Keep a text with the step that is running, and print it now."""
        self.chapters[-1].steps[-1].shown[title] = text.rstrip()
        say(f"\n── {title}\n{text.rstrip()}\n")

    @property
    def steps(self) -> list[Step]:
        """Every step."""
        return [step for chapter in self.chapters for step in chapter.steps]

    @property
    def seconds(self) -> float:
        """How long all steps took."""
        return sum(step.seconds for step in self.steps)

    @property
    def result(self) -> Result:
        """How the run ended: as its worst chapter. A fault that was noticed is as it should be."""
        ends: list[Result] = ["passed", *(chapter.result for chapter in self.chapters)]
        worst = max(ends, key=list(MARKS).index)
        if worst == "noticed":
            return "passed"
        return worst

    @property
    def verdict(self) -> str:
        """The result in words, with the time."""
        took = f"{self.result} in {duration(self.seconds)}"
        if not self.allowed or self.result != "passed":
            return took
        where = "over" if self.seconds > 60 * self.allowed else "within"
        return f"{took}, {where} the {self.allowed} min that it may take"

    def words(self) -> str:
        """The summary: facts, chapters with their sums, and steps."""
        width = max(len(name) for name in self.facts) if self.facts else 0
        lines = [
            self.title,
            *(f"  {name:<{width}}  {value}" for name, value in self.facts.items()),
            "",
        ]
        for chapter in self.chapters:
            lines.append(f"{chapter.title}: {duration(chapter.seconds)}")
            for step in chapter.steps:
                lines.append(f"  {MARKS[step.result]:<5} {duration(step.seconds):>11}  {step.name}")
        return "\n".join([*lines, "", self.verdict])

    def write(self, folder: Path) -> None:
        """Write report.txt, report.json and report.html."""
        whole = {
            "title": self.title,
            "result": self.result,
            "seconds": round(self.seconds, 1),
            **asdict(self),
        }
        (folder / "report.txt").write_text(self.words() + "\n")
        (folder / "report.json").write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
        environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        template = environment.from_string((Path(__file__).parent / "report.html.j2").read_text())
        (folder / "report.html").write_text(template.render(report=self, duration=duration) + "\n")


def seen(look: Callable[[], str]) -> str:
    """What `look` finds; when it fails too, why, as it must not hide what failed first."""
    try:
        return look()
    except Exception as error:
        return f"nothing else could be looked at: {error}"


def duration(seconds: float) -> str:
    """A time as people read it: 4.2 s, 3 min 07 s."""
    return (
        f"{seconds:.1f} s"
        if seconds < 60
        else f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
    )


def say(words: str) -> None:
    """Print, unless nobody listens any more: Ctrl-C ends what stands behind a pipe, and the run has
    to clean up.
    """
    with suppress(OSError):
        print(words, flush=True)

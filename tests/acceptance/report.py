"""What an acceptance run did: steps with their times, as words while it runs, then as JSON and one HTML page."""

import html
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #8884}
td:last-child,th:last-child{text-align:right}pre{overflow:auto;padding:.6rem;background:#8881;font-size:13px}
.failed,.interrupted{color:#b00020}.passed{color:#067d3c}:root{color-scheme:light dark}"""


@dataclass
class Step:
    """One step: its chapter, what it was, how it ended ("passed", "failed", "interrupted"), how long it took."""

    chapter: str
    name: str
    result: str = "passed"
    seconds: float = 0.0


@dataclass
class Report:
    """The steps of a run in their order, and what is worth showing beside them."""

    title: str
    steps: list[Step] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    current: str = ""
    """The chapter that steps belong to."""

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self.current = title
        print(f"\n══ {title}", flush=True)

    @contextmanager
    def step(self, name: str, look: Callable[[], str] = str) -> Iterator[None]:
        """Time a step. If it fails, show what `look` finds, and let the error through."""
        step = Step(self.current, name)
        self.steps.append(step)
        print(f"…     {name}", flush=True)
        start = time.monotonic()
        try:
            yield
        except BaseException as error:
            step.result = "failed" if isinstance(error, Exception) else "interrupted"
            step.seconds = round(time.monotonic() - start, 1)
            print(f"{step.result.upper()} {name} after {step.seconds:.1f} s: {error}", flush=True)
            if isinstance(error, Exception):
                self.show(f"why “{name}” failed", f"{error}\n\n{look()}")
            raise
        step.seconds = round(time.monotonic() - start, 1)
        print(f"ok    {name}: {step.seconds:.1f} s", flush=True)

    def show(self, title: str, text: str) -> None:
        """Keep a text for the report, and print it now."""
        self.shown[title] = text.rstrip()
        print(f"\n── {title}\n{text.rstrip()}\n", flush=True)

    @property
    def result(self) -> str:
        """How the run ended: as its worst step."""
        ends = [step.result for step in self.steps]
        return next((end for end in ("interrupted", "failed") if end in ends), "passed")

    def write(self, folder: Path) -> None:
        """Write report.json and report.html."""
        total = round(sum(step.seconds for step in self.steps), 1)
        facts = {"title": self.title, "result": self.result, "seconds": total}
        steps = [asdict(step) for step in self.steps]
        (folder / "report.json").write_text(json.dumps({**facts, "steps": steps, "shown": self.shown}, indent=2) + "\n")
        (folder / "report.html").write_text(self.page(total))

    def page(self, total: float) -> str:
        """The report as one HTML page that needs no other file."""
        rows = "".join(
            f'<tr><td>{html.escape(one.name)}</td><td class="{one.result}">{one.result}</td>'
            f"<td>{one.seconds:.1f} s</td></tr>"
            for one in self.steps
        )
        texts = "".join(
            f"<h2>{html.escape(title)}</h2><pre>{html.escape(text)}</pre>" for title, text in self.shown.items()
        )
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
            f'<style>{STYLE}</style><h1>{html.escape(self.title)}</h1><p class="{self.result}">{self.result} '
            f"in {total:.0f} seconds</p><table><tr><th>step</th><th>result</th><th>time</th></tr>{rows}</table>"
            f"{texts}</html>\n"
        )

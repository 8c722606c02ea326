"""Where the console command begins: `kubewright`, and `python -m kubewright`."""

import sys


def main() -> None:
    """Run the console command; Ctrl-C ends it in one line, also while it is still being loaded."""
    try:
        from kubewright.cli import main as command

        command()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()

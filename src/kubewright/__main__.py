"""Lets `python -m kubewright` be the console command."""

from kubewright.cli import main

if __name__ == "__main__":
    main()

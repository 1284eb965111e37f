"""`python -m tapeline` is `tapeline`."""

from tapeline.cli import main

if __name__ == "__main__":
    main()

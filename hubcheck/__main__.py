"""`python -m hubcheck` is `hubcheck`."""

from hubcheck.cli import main

if __name__ == "__main__":
    main()

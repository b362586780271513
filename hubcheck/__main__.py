"""`python -m hubcheck` is `hubcheck`."""

from hubcheck.cli.main import main

if __name__ == "__main__":
    main()

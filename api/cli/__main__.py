"""Lets ``python -m api.cli`` stand for ``drorch``."""

import sys

from api.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())

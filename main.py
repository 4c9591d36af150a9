"""`python main.py -f prices.csv`: the EMA10 scalper on one file, as the earlier systems ran it."""

from __future__ import annotations

import sys

from core.cli.single_file import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m ui`: serve the pages."""

from ui.server import main

main()

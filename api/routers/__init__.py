"""One module per service; each endpoint parses, makes one service call, returns."""

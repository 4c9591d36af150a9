"""REST door of the workbench: parses, makes one service call, returns."""

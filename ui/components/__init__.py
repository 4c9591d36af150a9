"""Parts of pages: `show(...) -> value` draws one thing and gives what was chosen."""

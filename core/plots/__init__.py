"""Numbers into pictures: a pure `*_info(...)` gathers what is said, `figure(info)` draws it."""

"""Pages: each has `render(services)`: read choices, make one service call, draw."""

"""What answers say: models built from the core's words, NaN turned into null."""

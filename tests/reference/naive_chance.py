"""The draws of rule R5, one at a time, in whole numbers."""

from __future__ import annotations

WORD = 1 << 64


def mix(word: int) -> int:
    """SplitMix64: the next number after a state."""
    word = (word + 0x9E3779B97F4A7C15) % WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) % WORD
    return word ^ (word >> 31)


def fnv1a(text: str) -> int:
    word = 0xCBF29CE484222325
    for byte in text.encode("utf-8"):
        word = ((word ^ byte) * 0x100000001B3) % WORD
    return word


def uniform(seed: int, symbol: str, ts: int, kind: str) -> float:
    """From 0 up to 1, for the bar of a symbol that opens at `ts` (microseconds)."""
    counter = (2 * ts + ("entry", "target").index(kind)) % WORD
    return (mix(mix(mix(seed) ^ fnv1a(symbol)) ^ counter) >> 11) / (1 << 53)

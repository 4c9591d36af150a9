"""Searches to judge: noise, noise with an edge, and a slow reading of CSCV."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import exp, log, sqrt
from statistics import fmean, stdev

import numpy as np

from core.trust.matrix import ReturnMatrix


def noise(seed: int, sessions: int, lanes: int, *, edge: float = 0.0) -> np.ndarray:
    """Normal returns of 1 % a session, shape (T, N); the first lane has an edge of so many sd."""
    returns = np.random.default_rng(seed).standard_normal((sessions, lanes))
    returns[:, 0] += edge
    return returns * 0.01


def search(seed: int, sessions: int, lanes: int, *, edge: float = 0.0) -> ReturnMatrix:
    return ReturnMatrix.of(noise(seed, sessions, lanes, edge=edge))


def ratio(returns: list[float]) -> float | None:
    """Sharpe ratio of one session, None of returns that are all the same."""
    return None if len(set(returns)) == 1 else fmean(returns) / stdev(returns)


def slow_cscv(returns: np.ndarray, blocks: int) -> list[tuple[int, float, float, float]]:
    """Winner, its ratio inside and outside, and its logit, choice by choice, as the paper says."""
    rows = returns[len(returns) % blocks :].tolist()
    length = len(rows) // blocks
    lanes = range(len(rows[0]))
    found = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = [row for n, row in enumerate(rows) if n // length in chosen]
        outside = [row for n, row in enumerate(rows) if n // length not in chosen]
        first = {lane: ratio([row[lane] for row in inside]) for lane in lanes}
        second = {lane: ratio([row[lane] for row in outside]) or 0.0 for lane in lanes}
        traded = {lane: value for lane, value in first.items() if value is not None}
        best = max(traded, key=lambda lane: traded[lane])
        rank = 1 + sum((second[lane], lane) < (second[best], best) for lane in lanes)
        share = rank / (len(lanes) + 1)
        found.append((best, traded[best], second[best], log(share / (1 - share))))
    return found


def exact_cscv(returns: np.ndarray, blocks: int) -> list[tuple[int, float]] | None:
    """Winner and logit of each choice in fractions, which do not round; None if nobody can win."""
    rows = [[Fraction(each) for each in row] for row in returns[len(returns) % blocks :].tolist()]
    length, lanes = len(rows) // blocks, range(len(rows[0]))

    def order(half: tuple[int, ...], lane: int) -> Fraction | None:
        """What orders lanes as their Sharpe ratios do: `n m |m| / sum(r^2)`; None of a constant."""
        own = [row[lane] for n, row in enumerate(rows) if n // length in half]
        if len(set(own)) == 1:
            return None
        return sum(own) * abs(sum(own)) / sum(each * each for each in own)

    found = []
    for chosen in combinations(range(blocks), blocks // 2):
        others = tuple(n for n in range(blocks) if n not in chosen)
        first = {lane: order(chosen, lane) for lane in lanes}
        second = {lane: order(others, lane) or Fraction(0) for lane in lanes}
        traded = {lane: value for lane, value in first.items() if value is not None}
        if not traded:
            return None
        best = max(traded, key=lambda lane: traded[lane])
        rank = 1 + sum((second[lane], lane) < (second[best], best) for lane in lanes)
        share = rank / (len(lanes) + 1)
        found.append((best, log(share / (1 - share))))
    return found


def chance_of_uniform(values):
    """Probability that so many uniform numbers stray as far from their line (Kolmogorov 1933)."""
    ordered = np.sort(values)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    furthest = max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max())
    scaled = (sqrt(len(ordered)) + 0.12 + 0.11 / sqrt(len(ordered))) * furthest
    total = 2 * sum((-1) ** (n - 1) * exp(-2 * (n * scaled) ** 2) for n in range(1, 101))
    return min(1.0, total) if scaled > 0.2 else 1.0

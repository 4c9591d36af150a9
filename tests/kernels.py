"""Compiles what tests need, in two processes side by side: `python -m tests.kernels`.

Before the tests, because workers that meet a kernel at the same moment would compile it twice, and
of two kinds of one function numba may keep but the one that was written last.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import tests.conftest  # noqa: F401 - first, it says where kernels are kept
from core.engine import warm
from tests.factories import random_case
from tests.property.shared_cases import random_shared_case, with_rates
from tests.reference.compare import compiled
from tests.reference.compare_shared import compiled as compiled_account

CASES = 30  # of every kind of rule some


def of_one_symbol() -> None:
    warm.warm_up()


def of_accounts() -> None:
    warm.warm_up_accounts()
    for seed in range(CASES):
        case = random_shared_case(seed, count=40)
        compiled_account(*(with_rates(case, seed) if seed % 3 == 0 else case))


if __name__ == "__main__":
    with ProcessPoolExecutor(2) as processes:
        for done in [processes.submit(each) for each in (of_one_symbol, of_accounts)]:
            done.result()
    for seed in range(CASES):  # kinds that neither has met
        compiled(random_case(seed, count=40))

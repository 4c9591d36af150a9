"""Many processes upgrade one database in the same moment: `upgrade_storm.py URL [URL…]`.

Everything is imported before the fork, so that they meet inside the migration and not while
Python starts. Prints one line per process: `ok` or the error.
"""

import os
import sys

from core.errors import WorkbenchError
from core.store import migrate

PROCESSES = 8


def storm(url: str) -> list[str]:
    start_read, start_write = os.pipe()
    answers_read, answers_write = os.pipe()
    children = []
    for _ in range(PROCESSES):
        child = os.fork()
        if child == 0:
            os.close(start_write)
            os.read(start_read, 1)  # returns for everybody when the parent closes its end
            try:
                migrate.upgrade(url)
                answer = "ok"
            except WorkbenchError as error:
                answer = error.sentence()
            except BaseException as error:  # noqa: BLE001 - the parent judges
                answer = repr(error)
            os.write(answers_write, f"{answer}\n".encode())
            os._exit(0)
        children.append(child)
    os.close(answers_write)
    os.close(start_read)
    os.close(start_write)
    for child in children:
        os.waitpid(child, 0)
    with os.fdopen(answers_read) as answers:
        return answers.read().splitlines()


if __name__ == "__main__":
    for url in sys.argv[1:]:
        print("\n".join(storm(url)))  # noqa: T201

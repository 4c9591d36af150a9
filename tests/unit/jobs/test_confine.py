"""A confined process writes where it may, connects nowhere and starts nobody."""

from __future__ import annotations

import pytest

ALLOWED = {
    "inside": "open({inside!r}, 'w').write('x')",
    "below": "import os; os.makedirs({inside!r} + '/a/b')",
    "reading": "open({outside!r}).read()",
    "importing": "import fractions, decimal, email.message",
    "null": "open('/dev/null', 'w').write('x')",
    "arithmetic": "import numpy; numpy.linalg.inv(numpy.eye(3))",
}
REFUSED = {
    "writing": "open({outside!r}, 'w')",
    "appending": "open({outside!r}, 'a')",
    "updating": "open({outside!r}, 'r+')",
    "low level": "import os; os.open({outside!r}, os.O_WRONLY)",
    "pathlib": "import pathlib; pathlib.Path({outside!r}).write_text('x')",
    "bytes": "open({outside!r}.encode(), 'w')",
    "dots": "open({inside!r} + '/../outside', 'w')",
    "link": "open({link!r}, 'w')",
    "neighbour": "open({inside!r} + 'x', 'w')",
    "removing": "import os; os.remove({outside!r})",
    "renaming away": "import os; os.rename({outside!r}, {inside!r} + '/x')",
    "renaming over": "import os; os.rename({inside!r} + '/mine', {outside!r})",
    "folders": "import os; os.mkdir({outside!r} + '-folder')",
    "trees": "import shutil; shutil.rmtree({folder!r})",
    "rights": "import os; os.chmod({outside!r}, 0)",
    "truncating": "import os; os.truncate({outside!r}, 0)",
    "connecting": "import socket; socket.create_connection(('127.0.0.1', 9), 1)",
    "datagrams": "import socket; socket.socket(2, 2).sendto(b'x', ('127.0.0.1', 9))",
    "listening": "import socket; socket.socket().bind(('127.0.0.1', 0))",
    "fetching": "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
    "processes": "import subprocess; subprocess.run(['true'])",
    "shell": "import os; os.system('true')",
    "forking": "import os; os.fork()",
    "replacing": "import os; os.execv('/bin/true', ['true'])",
    "signals": "import os; os.kill(os.getppid(), 0)",
}


@pytest.fixture
def attempt(do, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "mine").write_text("mine")
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (inside / "link").symlink_to(outside)
    places = {
        "inside": str(inside),
        "outside": str(outside),
        "folder": str(tmp_path),
        "link": str(inside / "link"),
    }

    def attempting(code):
        if "{inside!r}, 'w'" in code:
            code = code.replace("{inside!r}", "{inside!r} + '/new'")
        answer = do("confined", code=code.format(**places), writable=[str(inside)])
        assert outside.read_text() == "precious"
        return answer["refused"]

    return attempting


@pytest.mark.parametrize("name", ALLOWED)
def test_what_a_run_needs_is_allowed(attempt, name):
    assert attempt(ALLOWED[name]) is None


@pytest.mark.parametrize("name", REFUSED)
def test_what_reaches_outside_is_refused(attempt, name):
    assert "a run may not" in str(attempt(REFUSED[name]))

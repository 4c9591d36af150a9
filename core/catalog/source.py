"""From a file to its lines: size, compression, encoding and line ends, decided and bounded.

Nothing is guessed from a name. Gzip is inflated only where both the first bytes and the ending
`.gz` say so, and never beyond the limit; every other container is refused by its first bytes.
"""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from core.errors import DataProblem, NotFound

MAX_BYTES: Final = 200_000_000
MAX_LINES: Final = 5_000_000
MAX_LINE_BYTES: Final = 20_000

_GZIP: Final = b"\x1f\x8b"
_CONTAINERS: Final = {
    _GZIP: "gzip",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"PK\x05\x06": "an empty zip archive",
    b"\xfd7zXZ\x00": "xz",
    b"(\xb5/\xfd": "zstd",
    b"BZh": "bzip2",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
    b"\x04\x22M\x18": "lz4",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"FEA1": "Feather",
    b"\x89HDF": "HDF5",
    b"SQLite format 3": "a SQLite database",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"%PDF": "a PDF",
    b"\x00\x00\xfe\xff": "UTF-32 text",
    b"\xff\xfe\x00\x00": "UTF-32 text",
}
_MARKUP: Final = re.compile(rb"\s*<(!doctype|html|\?xml|head|body|table)", re.IGNORECASE)
_JSON: Final = re.compile(rb"\s*[\[{]")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CHUNK: Final = 1 << 20
_WANTED: Final = "a text file of bars: CSV, or CSV in gzip with a name ending in .gz"


@dataclass(frozen=True, slots=True)
class Source:
    """A file as text.

    Attributes:
        lines: Every line of the file, blank ones too, without line ends.
        encoding: `UTF-8`, `UTF-8 with BOM`, `UTF-16` or `Latin-1`.
        line_ends: `LF`, `CRLF`, `CR`, `mixed` or `none`.
        ends_open: The last line has no line end, so the file may have been cut in it.
    """

    lines: pl.Series
    encoding: str
    line_ends: str
    compression: str
    ends_open: bool


def read_source(source: Path | bytes, name: str) -> Source:
    """Read a file into lines.

    Args:
        source: The file, or its bytes.
        name: Its name; the ending `.gz` permits gzip.

    Raises:
        NotFound: the file is not there.
        DataProblem: it is too large, not text, or compressed in a way that is not accepted.
    """
    data = _bytes(source, name)
    compression = "none"
    if data.startswith(_GZIP) and name.lower().endswith(".gz"):
        data, compression = _inflate(data, name), "gzip"
    elif name.lower().endswith(".gz"):
        raise DataProblem(f"{name!r} is called .gz but does not hold gzip", expected=_WANTED)
    _refuse_containers(data, name)
    text, encoding = _utf8(data, name)
    del data
    text = text.rstrip(b"\x1a")  # end-of-file mark of DOS
    if not text or text.isspace():
        raise DataProblem(f"{name!r} is empty", expected=_WANTED)
    _refuse_markup(text, name)
    line_ends = _line_ends(text)
    if line_ends not in {"LF", "none"}:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    _refuse_odd_text(text, name)
    lines = pl.read_lines(io.BytesIO(text))["line"]
    _refuse_long_lines(lines, name)
    ends_open = not text.endswith(b"\n")
    return Source(lines, encoding, line_ends, compression, ends_open)


def _bytes(source: Path | bytes, name: str) -> bytes:
    if isinstance(source, bytes):
        data = source
    else:
        try:
            with source.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise NotFound(
                f"{name!r} cannot be opened: {error.strerror}", expected="a readable file"
            ) from error
    if len(data) > MAX_BYTES:
        raise DataProblem(
            f"{name!r} is larger than {MAX_BYTES // 10**6} MB",
            expected=f"at most {MAX_BYTES // 10**6} MB, compressed and not",
            hint="cut the file by years and import the parts one after the other",
        )
    return data


def _inflate(data: bytes, name: str) -> bytes:
    """Inflate all members of a gzip file, never holding more than the limit and one chunk."""
    pieces: list[bytes] = []
    size = 0
    rest = data
    try:
        while rest.startswith(_GZIP):
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                piece = member.decompress(rest, _CHUNK)
                rest = member.unconsumed_tail
                if not piece and not rest and not member.eof:
                    raise DataProblem(f"{name!r} ends in the middle of its gzip data")
                pieces.append(piece)
                size += len(piece)
                if size > MAX_BYTES:
                    raise DataProblem(
                        f"{name!r} inflates to more than {MAX_BYTES // 10**6} MB",
                        expected=f"at most {MAX_BYTES // 10**6} MB, compressed and not",
                    )
            rest = member.unused_data
    except zlib.error as error:
        raise DataProblem(f"{name!r} is damaged: its gzip data cannot be inflated") from error
    if rest.strip(b"\x00"):
        raise DataProblem(f"{name!r} is damaged: something follows its gzip data")
    return b"".join(pieces)


def _refuse_containers(data: bytes, name: str) -> None:
    for magic, kind in _CONTAINERS.items():
        if data.startswith(magic):
            hint = "give it a name ending in .gz" if kind == "gzip" else "export it as CSV"
            raise DataProblem(f"{name!r} holds {kind}", expected=_WANTED, hint=hint)


def _utf8(data: bytes, name: str) -> tuple[bytes, str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16").encode(), "UTF-16"
        except UnicodeError as error:
            raise DataProblem(f"{name!r} begins like UTF-16 text but is not") from error
    encoding = "UTF-8"
    if data.startswith(b"\xef\xbb\xbf"):
        data, encoding = data[3:], "UTF-8 with BOM"
    try:
        data.decode()
    except UnicodeDecodeError:
        # Safe: a number or a time outside ASCII is refused as such, whatever it was meant to be.
        return data.decode("latin-1").encode(), "Latin-1"
    return data, encoding


def _refuse_markup(text: bytes, name: str) -> None:
    if _JSON.match(text):
        raise DataProblem(f"{name!r} holds JSON", expected=_WANTED, hint="export it as CSV")
    if _MARKUP.match(text):
        raise DataProblem(
            f"{name!r} holds a web page",
            expected=_WANTED,
            hint="download the file itself; the server may have answered with an error page",
        )


def _line_ends(text: bytes) -> str:
    both = text.count(b"\r\n")
    kinds = {
        "CRLF": both,
        "LF": text.count(b"\n") - both,
        "CR": text.count(b"\r") - both,
    }
    present = [kind for kind, count in kinds.items() if count]
    return present[0] if len(present) == 1 else ("mixed" if present else "none")


def _refuse_odd_text(text: bytes, name: str) -> None:
    if odd := _CONTROL.search(text):
        line = text.count(b"\n", 0, odd.start()) + 1
        raise DataProblem(
            f"{name!r} holds the control character {odd.group()[0]:#04x} in line {line}",
            expected=_WANTED,
            hint="UTF-16 text needs its byte order mark" if odd.group() == b"\x00" else None,
        )
    if text.count(b"\n") > MAX_LINES:
        raise DataProblem(
            f"{name!r} has more than {MAX_LINES:,} lines",
            expected=f"at most {MAX_LINES:,}",
            hint="cut the file by years and import the parts one after the other",
        )


def _refuse_long_lines(lines: pl.Series, name: str) -> None:
    lengths = lines.str.len_bytes()
    longest = lengths.arg_max()
    if longest is not None and lengths[longest] > MAX_LINE_BYTES:
        raise DataProblem(
            f"line {longest + 1} of {name!r} has {lengths[longest]:,} bytes",
            expected=f"at most {MAX_LINE_BYTES:,}",
        )

"""Public texts, downloaded on request, once, and checked by size and SHA-256 each time they are used.

    tiny_shakespeare   1,115,394 characters of plays                       Karpathy, char-rnn
    text8              100,000,000 characters of Wikipedia, a to z         Mahoney
    multi30k           29,000 + 1,014 + 1,000 captions, English, German    Elliott et al. 2016
                       a folder of train, val and test .en and .de, a sentence a line

Nothing here is needed: experiments use generated data unless a set is asked for. pooch downloads (the extra `data`);
a file put into the folder by hand serves as well, without pooch.

The hashes below are those that many public programs check these files with. A source without one is recorded at its
first download in FILE.sha256 beside it, and held to that from then on.
"""
from __future__ import annotations

import difflib
import hashlib
import os
import shutil
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from ..errors import describe
from ..install import install_line

TRIES = 3
WAIT = 2.0                                     # seconds before the second try, twice as long before the third


class Source(NamedTuple):
    """A file as it lies in the folder, where it comes from, its bytes and SHA-256 where they are known."""

    file: str
    url: str
    size: int | None
    sha256: str | None

    def __str__(self) -> str:
        size = f"{self.size:,} bytes" if self.size is not None else "of unknown size"
        return f"{self.file}, {size}, SHA-256 {self.sha256 or 'to be recorded at the first download'}"


@dataclass(frozen=True)
class DataSet:
    """sources: files to have.  members: what to take out of them (archives), or nothing.  result: what fetch returns.

    instead: what needs no download.
    """

    sources: tuple[Source, ...]
    result: str
    instead: str
    members: tuple[str, ...] = ()


_CHAR_RNN = "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"
# A copy of the files of the WMT16 task; those of train and validation have the hashes that torchtext asks for.
_MULTI30K = "https://raw.githubusercontent.com/neychev/small_DL_repo/master/datasets/Multi30k"
_TOPICS = "minigrad.data.topics_text(), the help pages of Python, is the default and needs no download."

SETS = {
    "tiny_shakespeare": DataSet(
        (Source("tiny_shakespeare.txt", f"{_CHAR_RNN}/data/tinyshakespeare/input.txt", 1_115_394,
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"),), "tiny_shakespeare.txt", _TOPICS),
    "text8": DataSet(
        (Source("text8.zip", "http://mattmahoney.net/dc/text8.zip", 31_344_016,
                "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"),), "text8", _TOPICS, ("text8",)),
    "multi30k": DataSet(
        (Source("multi30k_training.tar.gz", f"{_MULTI30K}/training.tar.gz", None,
                "20140d013d05dd9a72dfde46478663ba05737ce983f478f960c1123c6671be5e"),
         Source("multi30k_validation.tar.gz", f"{_MULTI30K}/validation.tar.gz", None,
                "a7aa20e9ebd5ba5adce7909498b94410996040857154dab029851af3a866da8c"),
         Source("multi30k_test.tar.gz", f"{_MULTI30K}/mmt16_task1_test.tar.gz", None,
                "6d1ca1dba99e2c5dd54cae1226ff11c2551e6ce63527ebb072a1f70f72a5cd36")),
        "multi30k", "the default of every experiment is generated and needs no download.",
        tuple(f"{part}.{language}" for part in ("train", "val", "test") for language in ("en", "de"))),
}


class DownloadError(OSError):
    """A set that could not be had, or a file that is not the one it should be; the text says what to do."""


def fetch(name: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """The file of a set (multi30k: the folder of its files), downloaded unless it is there.

    folder: where sets lie; None for $MINIGRAD_DATA, or ~/.cache/minigrad. Raises ValueError for a name that is no set,
    DownloadError without a connection or for a wrong file (it says where to put one by hand), ImportError if a download
    is needed and pooch is missing.
    """
    if name not in SETS:
        close = difflib.get_close_matches(name, SETS, 1)
        raise ValueError(describe(f"there is no set {name!r} to download.", near=close[0] if close else None,
                                  sets=", ".join(SETS)))
    data = SETS[name]
    here = Path(folder or os.environ.get("MINIGRAD_DATA") or Path.home() / ".cache" / "minigrad").expanduser()
    for source in data.sources:
        path = here / source.file
        if not path.exists():
            _download(source, path, name)
        elif fault := _fault(path, source):
            raise DownloadError(describe(f"{path} is not the file of {name}: {fault}.", file=str(source),
                                         fix="delete it, and it is downloaded again."))
        _record(path, source)
    result = here / data.result
    if data.members:
        _unpack([here / source.file for source in data.sources], data.members,
                result if len(data.members) > 1 else result.parent)
    return result


def _fault(path: Path, source: Source) -> str | None:
    """What is wrong with a file, or None: by size, then by the known hash or the recorded one."""
    size, known = path.stat().st_size, source.sha256 or _recorded(path, source)
    if source.size is not None and size != source.size:
        return f"it has {size:,} bytes, not {source.size:,}"
    if known and (found := _sha256(path)) != known:
        return f"its SHA-256 is {found}, not {known}" + ("" if source.sha256 else f" ({_beside(path, source).name})")
    return None


def _recorded(path: Path, source: Source) -> str | None:
    record = _beside(path, source)
    return record.read_text().split()[0] if record.exists() else None


def _record(path: Path, source: Source) -> None:
    """Where no hash is known: write this one down, in the form that `sha256sum -c` reads."""
    if source.sha256 is None and not _beside(path, source).exists():
        _beside(path, source).write_text(f"{_sha256(path)}  {source.file}\n")


def _beside(path: Path, source: Source) -> Path:
    return path.with_name(source.file + ".sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(source: Source, path: Path, name: str) -> None:
    """The file from its address, TRIES times; it gets its name when it is whole and right."""
    try:
        import pooch
        import requests
    except ImportError as missing:
        raise ImportError(_help(f"{name} is not there, and {missing.name} is missing, which downloads it: "
                                f"{install_line('data')}", source, path, name)) from missing
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    fault = ""
    for attempt in range(TRIES):
        if attempt:
            print(f"\n{source.file}: {fault}. Once more.", file=sys.stderr)
            time.sleep(WAIT * attempt)
        bar = _Bar(source.file)
        try:
            pooch.retrieve(source.url, None, part.name, part.parent,       # the hash is checked below, with the size
                           downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=30))
            fault = _fault(part, source) or ""
            if not fault:
                os.replace(part, path)
                return
        except (requests.RequestException, OSError) as error:
            fault = f"{type(error).__name__}: {error}"
        finally:
            part.unlink(missing_ok=True)
    raise DownloadError(_help(f"{name} could not be downloaded in {TRIES} tries: {fault}.", source, path, name))


def _help(headline: str, source: Source, path: Path, name: str) -> str:
    return describe(headline, **{"file": str(source), "from": source.url, "fix": f"download it by hand to {path}",
                                 "or": SETS[name].instead})


def _unpack(archives: list[Path], members: tuple[str, ...], folder: Path) -> None:
    """Write the members, found by their names in whatever folder of an archive, unless they are there in full."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = set(members)
    for archive in archives:
        with _open(archive) as files:
            for name, size, opened in files:
                if name in missing:
                    missing.remove(name)
                    target, part = folder / name, folder / f"{name}.{os.getpid()}.part"
                    if not target.exists() or target.stat().st_size != size:
                        with opened() as source, part.open("wb") as copy:
                            shutil.copyfileobj(source, copy, 1 << 20)
                        os.replace(part, target)
    if missing:
        raise DownloadError(f"{', '.join(sorted(missing))}: in none of {', '.join(str(a) for a in archives)}")


@contextmanager
def _open(archive: Path) -> Iterator[Iterator[tuple[str, int, Callable[[], IO[bytes]]]]]:
    """The files of a .zip or .tar.gz as (name without folders, size, what opens it)."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as pack:
            yield ((Path(i.filename).name, i.file_size, partial(pack.open, i)) for i in pack.infolist())
    else:
        with tarfile.open(archive) as tar:
            yield ((Path(i.name).name, i.size, partial(_extract, tar, i)) for i in tar if i.isfile())


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    assert file is not None                    # it is for a folder or a device only
    return file


class _Bar:
    """What pooch wants of a progress bar, on stderr; on a terminal it moves, elsewhere it is one line at the end."""

    def __init__(self, name: str) -> None:
        self.name, self.total, self.done, self.said = name, 0, 0, 0.0
        self.moves = sys.stderr.isatty()

    def update(self, count: int) -> None:
        self.done += count
        if self.moves and time.monotonic() - self.said > 0.1:
            self.said = time.monotonic()
            share = min(1.0, self.done / self.total) if self.total else 0.0
            self._write(f"[{'#' * round(24 * share):24}]  ", "")

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        self._write("", " " * 28 + "\n" if self.moves else "\n")           # over what is left of the bar

    def _write(self, bar: str, end: str) -> None:
        start = "\r" if self.moves else ""
        print(f"{start}{self.name}  {bar}{self.done / 1e6:.1f} MB", end=end, file=sys.stderr, flush=True)

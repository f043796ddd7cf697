"""Downloads: checked, repeated, recorded, with help where there is no network. All from a server on 127.0.0.1."""
from __future__ import annotations

import hashlib
import http.server
import io
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from minigrad.data import DownloadError, download, fetch
from minigrad.data.download import DataSet, Source
from minigrad.install import install_line
from tests.texts import expect, message

BODY = b"First Citizen:\nBefore we proceed any further, hear me speak.\n" * 50
HASH = hashlib.sha256(BODY).hexdigest()


class Server:
    """What it answers, and what it was asked. answers: path -> bytes; `broken`: how many answers stop half way."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.broken = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                body = outer.answers.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                if outer.broken:
                    outer.broken -= 1
                    body = (body or b"")[:len(body or b"") // 2]
                self.wfile.write(body or b"")

            def log_message(self, *args) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch):
    """A server of this machine, no proxy in between, and no waiting between two tries."""
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "WAIT", 0.0)
    server = Server()
    server.answers["/play.txt"] = BODY
    yield server
    server.close()


def made(monkeypatch, url: str, size: int | None = len(BODY), sha256: str | None = HASH) -> None:
    """The set "play": one text file."""
    source = Source("play.txt", f"{url}/play.txt", size, sha256)
    monkeypatch.setitem(download.SETS, "play", DataSet((source,), "play.txt", "a generated play needs no download."))


def test_a_file_is_downloaded_once_and_used_from_then_on(server, monkeypatch, tmp_path, capsys):
    made(monkeypatch, server.url)
    folder = tmp_path / "new" / "folder"
    path = fetch("play", folder)
    assert path == folder / "play.txt" and path.read_bytes() == BODY
    assert "play.txt  0.0 MB" in capsys.readouterr().err
    assert fetch("play", folder) == path and server.asked == ["/play.txt"]
    assert [p.name for p in folder.iterdir()] == ["play.txt"]              # no part, no record: the hash is known


def test_a_file_put_there_by_hand_needs_no_server_and_no_pooch(monkeypatch, tmp_path):
    made(monkeypatch, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "pooch", None)
    (tmp_path / "play.txt").write_bytes(BODY)
    assert fetch("play", tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("body", [BODY[:-1] + b"x", BODY + b"x", b""], ids=["other", "longer", "empty"])
def test_a_wrong_file_from_the_server_is_thrown_away_after_three_tries(server, monkeypatch, tmp_path, body, capsys):
    made(monkeypatch, server.url)
    server.answers["/play.txt"] = body
    with pytest.raises(DownloadError, match="could not be downloaded in 3 tries: it(s SHA-256 is| has)"):
        fetch("play", tmp_path)
    assert server.asked == ["/play.txt"] * 3 and list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err.count("Once more.") == 2


def test_a_file_of_the_right_size_and_another_hash_is_wrong(server, monkeypatch, tmp_path):
    made(monkeypatch, server.url, sha256="0" * 64)
    with pytest.raises(DownloadError, match=f"its SHA-256 is {HASH}, not {'0' * 64}"):
        fetch("play", tmp_path)


def test_the_size_is_checked_where_no_hash_is_known(server, monkeypatch, tmp_path):
    made(monkeypatch, server.url, size=len(BODY) + 1, sha256=None)
    with pytest.raises(DownloadError, match=r"it has 3,\d+ bytes, not 3,"):
        fetch("play", tmp_path)


def test_an_answer_that_stops_half_way_is_asked_for_again(server, monkeypatch, tmp_path):
    """Twice; the third is whole. Without a hash and a size, the half would be taken for the file."""
    made(monkeypatch, server.url, size=None, sha256=None)
    server.broken = 2
    assert fetch("play", tmp_path).read_bytes() == BODY and len(server.asked) == 3


def test_an_unknown_hash_is_recorded_and_held_to(server, monkeypatch, tmp_path):
    made(monkeypatch, server.url, size=None, sha256=None)
    path = fetch("play", tmp_path)
    assert (tmp_path / "play.txt.sha256").read_text() == f"{HASH}  play.txt\n"
    assert fetch("play", tmp_path) == path
    path.write_bytes(BODY + b"!")
    with pytest.raises(DownloadError, match=r"not the file of play: its SHA-256 is \w+, not \w+ \(play.txt.sha256\)"):
        fetch("play", tmp_path)
    path.unlink()
    server.answers["/play.txt"] = BODY + b"?"                              # the server's file has changed too
    with pytest.raises(DownloadError, match=r"\(play.txt.sha256\)"):
        fetch("play", tmp_path)


def test_a_wrong_file_that_was_there_is_not_overwritten(monkeypatch, tmp_path):
    """It may be the work of somebody."""
    made(monkeypatch, "http://127.0.0.1:9")
    path = tmp_path / "play.txt"
    path.write_bytes(b"mine")
    assert message(DownloadError, lambda: fetch("play", tmp_path)) == expect(f"""
        {path} is not the file of play: it has 4 bytes, not {len(BODY):,}.
          file: play.txt, {len(BODY):,} bytes, SHA-256 {HASH}
          fix : delete it, and it is downloaded again.""")
    assert path.read_bytes() == b"mine"


def test_offline_the_error_says_file_address_place_and_default(server, monkeypatch, tmp_path):
    server.close()
    made(monkeypatch, server.url)
    text = message(DownloadError, lambda: fetch("play", tmp_path))
    head, *rest = text.split("\n")
    assert head.startswith("play could not be downloaded in 3 tries: ConnectionError: ")
    assert "\n".join(rest) == "\n".join([f"  file: play.txt, {len(BODY):,} bytes, SHA-256 {HASH}",
                                         f"  from: {server.url}/play.txt",
                                         f"  fix : download it by hand to {tmp_path / 'play.txt'}",
                                         "  or  : a generated play needs no download."])


def test_an_address_that_is_gone_says_so(server, monkeypatch, tmp_path):
    made(monkeypatch, server.url + "/gone", sha256=None)
    with pytest.raises(DownloadError, match="HTTPError: 404"):
        fetch("play", tmp_path)


def test_without_pooch_the_error_has_the_install_line(monkeypatch, tmp_path):
    made(monkeypatch, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "pooch", None)
    text = message(ImportError, lambda: fetch("play", tmp_path))
    assert text.startswith("play is not there, and pooch is missing") and install_line("data") in text
    assert "by hand to" in text and "a generated play" in text


def test_the_data_package_imports_without_pooch():
    code = "import sys; sys.modules['pooch'] = sys.modules['requests'] = None; from minigrad.data import fetch"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_another_name_is_answered_with_the_nearest(tmp_path):
    assert message(ValueError, lambda: fetch("shakespeare", tmp_path)) == expect("""
        there is no set 'shakespeare' to download.
          near: tiny_shakespeare
          sets: tiny_shakespeare, text8, multi30k""")


def test_the_folder_is_the_variable_or_a_cache(monkeypatch, tmp_path):
    made(monkeypatch, "http://127.0.0.1:9")
    (tmp_path / ".cache" / "minigrad").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / ".cache" / "minigrad"):
        (folder / "play.txt").write_bytes(BODY)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MINIGRAD_DATA", raising=False)
    assert fetch("play") == tmp_path / ".cache" / "minigrad" / "play.txt"
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    assert fetch("play") == tmp_path / "play.txt"


def pack_zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as pack:
        for name, body in files.items():
            pack.writestr(name, body)
    return out.getvalue()


def pack_tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return out.getvalue()


def archives(monkeypatch, folder: Path, packs: dict[str, bytes], members: tuple[str, ...], result: str) -> None:
    """The set "pack", its archives already in the folder."""
    for name, body in packs.items():
        (folder / name).write_bytes(body)
    sources = tuple(Source(name, "http://127.0.0.1:9/", len(body), None) for name, body in packs.items())
    monkeypatch.setitem(download.SETS, "pack", DataSet(sources, result, "", members))


def test_one_member_of_a_zip_is_unpacked_beside_it(monkeypatch, tmp_path):
    pack = pack_zip({"a/": b"", "a/text": BODY, "other": b"no"})
    archives(monkeypatch, tmp_path, {"pack.zip": pack}, ("text",), "text")
    path = fetch("pack", tmp_path)
    assert path == tmp_path / "text" and path.read_bytes() == BODY
    path.write_bytes(BODY[:10])                                            # cut off: unpacked again
    assert fetch("pack", tmp_path).read_bytes() == BODY
    assert not (tmp_path / "other").exists()


def test_members_of_several_tars_fill_one_folder(monkeypatch, tmp_path):
    packs = {"a.tar.gz": pack_tar({"./train.en": b"one\n", "._train.en": b"?", "train.de": b"eins\n"}),
             "b.tar.gz": pack_tar({"../../val.en": b"two\n"})}
    archives(monkeypatch, tmp_path, packs, ("train.en", "train.de", "val.en"), "pairs")
    folder = fetch("pack", tmp_path)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"train.en": b"one\n", "train.de": b"eins\n",
                                                                  "val.en": b"two\n"}
    assert folder == tmp_path / "pairs" and not (tmp_path.parent.parent / "val.en").exists()


def test_an_archive_without_its_member_is_an_error(monkeypatch, tmp_path):
    archives(monkeypatch, tmp_path, {"pack.zip": pack_zip({"other": b""})}, ("text",), "text")
    with pytest.raises(DownloadError, match=r"text: in none of .*pack\.zip"):
        fetch("pack", tmp_path)


def test_the_progress_bar_moves_on_a_terminal_and_ends_in_the_size(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    bar = download._Bar("play.txt")
    bar.total = 4_000_000
    bar.update(1_000_000)
    bar.reset()
    bar.update(4_000_000)
    bar.close()
    assert capsys.readouterr().err.replace(" " * 28, "") == (
        f"\rplay.txt  [{'#' * 6}{' ' * 18}]  1.0 MB\rplay.txt  4.0 MB\n")


def test_every_public_set_names_its_size_or_its_hash():
    """What is neither could be anything."""
    for data in download.SETS.values():
        for source in data.sources:
            assert source.url.startswith("http") and (source.size or source.sha256) and data.instead
            assert source.sha256 is None or len(bytes.fromhex(source.sha256)) == 32

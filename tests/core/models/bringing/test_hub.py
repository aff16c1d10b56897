"""Fetching from a server on this machine, well and ill behaved."""

import hashlib
import json
import shutil
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from napari_deepheme.core.errors import (
    CannotWriteError,
    DownloadError,
    InvalidModelError,
    ModelNotFoundError,
)
from napari_deepheme.core.models.bringing.hub import download_model, read_index
from napari_deepheme.core.models.registry import (
    DEFAULT_DETECTOR,
    find_model,
    load_card,
)

INDEX = b'{"format": "napari-deepheme-index", "format_version": 1, "models": {%s}}'


class Handler(BaseHTTPRequestHandler):
    """Serves a dictionary; cuts or forwards where the path says so."""

    def __init__(self, pages, seen, *args):
        self.pages, self.seen = pages, seen
        super().__init__(*args)

    def do_GET(self):
        self.seen.append(self.path)
        content = self.pages.get(self.path)
        if content is None:
            self.send_error(404)
        elif isinstance(content, str):
            self.send_response(302)
            self.send_header("Location", content)
            self.end_headers()
        else:
            self.send_response(200)
            cut = self.path.startswith("/cut/")
            self.send_header("Content-Length", len(content) * (2 if cut else 1))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """Give the address of a server, its pages and the paths that were asked for."""
    monkeypatch.setenv("NO_PROXY", "*")
    pages, seen = {}, []
    running = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, pages, seen))
    thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", pages, seen
    running.shutdown()
    thread.join()
    running.server_close()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def offer(server, tmp_path):
    """Offer a model; give the address of the index."""
    address, pages, _ = server
    bundled = find_model(DEFAULT_DETECTOR)
    card = json.loads(bundled.path.read_text())
    card["name"] = "lab-peaks"
    card = json.dumps(card).encode()
    weights = bundled.weights[0].path.read_bytes()

    def put(folder="", change=lambda entry: None, as_file=False):
        prefix = f"{folder}/" if folder else ""
        name = f"{prefix}{bundled.weights[0].path.name}"
        pages[f"/{prefix}card.json"], pages[f"/{name}"] = card, weights
        entry = {
            "card": {"url": f"{prefix}card.json", "sha256": sha256(card)},
            "weights": [{"url": name, "sha256": sha256(weights)}],
        }
        change(entry)
        index = {"format": "napari-deepheme-index", "format_version": 1}
        index = json.dumps({**index, "models": {"lab-peaks": entry}}).encode()
        pages["/index.json"] = index
        if as_file:
            (tmp_path / "index.json").write_bytes(index)
            return str(tmp_path / "index.json")
        return f"{address}/index.json"

    return put


def nothing_in(folder):
    return not folder.exists() or not list(folder.iterdir())


def test_a_model_is_fetched_by_name_and_hash(offer, own_folder, monkeypatch):
    monkeypatch.setenv("NAPARI_DEEPHEME_INDEX", offer())
    card = download_model("lab-peaks")
    assert card == find_model("lab-peaks")
    assert card.weights[0].path.parent == own_folder
    assert card.weights[0].sha256 == find_model(DEFAULT_DETECTOR).weights[0].sha256
    assert load_card(card, "cpu").spec.name == card.title
    with pytest.raises(CannotWriteError, match="there already"):
        download_model("lab-peaks")
    assert download_model("lab-peaks", overwrite=True) == card
    assert len(list(own_folder.iterdir())) == 2


def test_a_taken_name_is_told_before_anything_is_fetched(server, offer, own_folder):
    own_folder.mkdir()
    (own_folder / "lab-peaks.json").write_text("notes")
    index = offer()
    with pytest.raises(CannotWriteError, match="there already"):
        download_model("lab-peaks", index)
    assert server[2] == ["/index.json"]


def test_an_index_may_be_a_file_with_whole_addresses(server, offer, own_folder):
    address, _, seen = server

    def whole(entry):
        for file in (entry["card"], *entry["weights"]):
            file["url"] = f"{address}/{file['url']}"

    download_model("lab-peaks", offer(change=whole, as_file=True))
    assert find_model("lab-peaks").path.parent == own_folder
    assert "/index.json" not in seen


def beside_an_index(folder, offer, pages, url=""):
    """Write what a server offers into a folder; give the path of the index."""
    offer("below")
    index = json.loads(pages["/index.json"])
    if url:
        index["models"]["lab-peaks"]["card"]["url"] = url
    (folder / "below").mkdir(parents=True)
    for name in [name for name in pages if name.startswith("/below/")]:
        (folder / name[1:]).write_bytes(pages[name])
    (folder / "index.json").write_text(json.dumps(index))
    return str(folder / "index.json")


def test_files_may_lie_beside_an_index_that_is_one(
    server, offer, own_folder, tmp_path, monkeypatch
):
    _, pages, seen = server
    beside_an_index(tmp_path / "share", offer, pages)
    monkeypatch.chdir(tmp_path / "share")
    assert download_model("lab-peaks", "index.json") == find_model("lab-peaks")
    assert seen == []
    (tmp_path / "share" / "below" / "card.json").unlink()
    with pytest.raises(DownloadError, match=r"card\.json: "):
        download_model("lab-peaks", "index.json", overwrite=True)


@pytest.mark.parametrize(
    "url", ["../card.json", "%2e%2e/card.json", "/card.json", "file:///card.json"]
)
def test_nothing_outside_the_folder_of_an_index_is_taken(
    server, offer, own_folder, tmp_path, url
):
    index = beside_an_index(tmp_path / "share", offer, server[1], url)
    with pytest.raises(DownloadError, match=r"in the folder of the index|only https"):
        download_model("lab-peaks", index)
    assert nothing_in(own_folder)


@pytest.mark.parametrize("part", ["card", "weights"])
def test_another_hash_is_refused(offer, own_folder, part):
    def change(entry):
        file = entry["card"] if part == "card" else entry["weights"][0]
        file["sha256"] = "0" * 64

    with pytest.raises(DownloadError, match="SHA-256") as caught:
        download_model("lab-peaks", offer(change=change))
    assert len(str(caught.value).splitlines()) == 1
    assert nothing_in(own_folder)


@pytest.mark.parametrize("part", ["card", "weights"])
def test_what_is_not_there_is_told(offer, own_folder, part):
    def change(entry):
        file = entry["card"] if part == "card" else entry["weights"][0]
        file["url"] = f"gone/{file['url']}"

    with pytest.raises(DownloadError, match="404"):
        download_model("lab-peaks", offer(change=change))
    assert nothing_in(own_folder)


def test_a_cut_connection_leaves_nothing_behind(offer, own_folder):
    with pytest.raises(DownloadError, match="cannot download http") as caught:
        download_model("lab-peaks", offer("cut"))
    assert "the connection broke off in the middle (check" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert nothing_in(own_folder)


def test_a_server_that_does_not_answer_is_told(server, own_folder):
    address, _, _ = server
    port = int(address.rsplit(":", 1)[1])
    with pytest.raises(DownloadError, match="the connection to the server failed"):
        download_model("a", f"http://127.0.0.1:{1 if port != 1 else 2}/index.json")
    assert nothing_in(own_folder)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/index.json",
        "ftp://example.org/index.json",
        "file:///etc/passwd",
        "http://127.0.0.1.example.org/index.json",
        "http://192.168.0.1/index.json",
        "https:///index.json",
    ],
)
def test_only_https_is_fetched_from(address):
    with pytest.raises(DownloadError, match="only https"):
        read_index(address)


def test_a_server_cannot_forward_to_another_kind_of_address(server, own_folder):
    address, pages, seen = server
    pages["/index.json"] = "http://example.org/index.json"
    with pytest.raises(DownloadError, match="only https"):
        download_model("lab-peaks", f"{address}/index.json")
    assert seen == ["/index.json"]
    assert nothing_in(own_folder)


@pytest.mark.usefixtures("own_folder")
def test_a_server_may_forward_to_an_allowed_one(server, offer):
    address, pages, _ = server
    pages["/elsewhere.json"] = offer()
    assert download_model("lab-peaks", f"{address}/elsewhere.json").kind == "detector"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": "other", "format_version": 1, "models": {}}',
        b'{"format": "napari-deepheme-index", "format_version": 2, "models": {}}',
        INDEX % b'"a": {}',
        INDEX % b'"a": {"card": {"url": "https://a.example/c"}, "weights": []}',
        INDEX % b'"a": {"card": {"url": "c", "sha256": ""}, "weights": []}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_index_is_told_in_one_line(tmp_path, content):
    (tmp_path / "index.json").write_bytes(content)
    for address in (tmp_path / "index.json", tmp_path / "gone.json"):
        with pytest.raises(DownloadError) as caught:
            read_index(str(address))
        assert len(str(caught.value).splitlines()) == 1


def test_names_that_are_unknown_or_unsafe_are_told(offer, own_folder, monkeypatch):
    monkeypatch.delenv("NAPARI_DEEPHEME_INDEX", raising=False)
    with pytest.raises(DownloadError, match="no public one"):
        download_model("lab-peaks")
    with pytest.raises(ModelNotFoundError, match="lab-peaks"):
        download_model("nobody", offer())
    assert nothing_in(own_folder)


def test_an_index_that_does_not_agree_with_its_card_is_refused(offer, own_folder):
    def more(entry):
        entry["weights"] *= 2

    with pytest.raises(InvalidModelError, match="other weights"):
        download_model("lab-peaks", offer(change=more))
    assert nothing_in(own_folder)


def test_nothing_is_fetched_unless_it_is_asked_for(
    offer, server, monkeypatch, tmp_path
):
    monkeypatch.setenv("NAPARI_DEEPHEME_INDEX", offer())
    path = shutil.copy(find_model(DEFAULT_DETECTOR).path, tmp_path / "card.json")
    find_model(str(path))
    assert server[2] == []


def test_an_index_is_not_blamed_where_the_system_has_no_room_for_it(monkeypatch):
    def none():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(CannotWriteError, match="have TMPDIR name one"):
        read_index("https://localhost/index.json")

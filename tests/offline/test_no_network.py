"""Nothing leaves the machine: a sitting and the commands connect to nothing beyond it.

Each is played in a process of its own whose calls are noted twice: by Python's audit
events, in that process and all that it starts, and by strace, where it is there, which
sees the libraries in C as well.
"""

import ipaddress
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import napari_deepheme

HERE = Path(__file__).parent

SOURCE = Path(napari_deepheme.__file__).parents[1]

SECONDS = 240

WATCH = """
import os, sys

def note(event, args):
    if event in EVENTS:
        with open(LOG, "a", encoding="utf-8") as log:
            told = args[1:] if event in ON_A_SOCKET else args
            log.write(f"{event} {told}\\n")

LOG = os.environ["WATCHED_IN"]
ON_A_SOCKET = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"}
EVENTS = ON_A_SOCKET | {
    "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request", "webbrowser.open"
}
sys.addaudithook(note)
"""
"""As sitecustomize: Python runs it first in every process."""

CALLS = "connect,sendto,sendmsg,sendmmsg,bind"

LOCAL_FAMILIES = {"AF_UNIX", "AF_NETLINK", "AF_UNSPEC", "AF_PACKET"}
"""Of the machine itself: the display, the kernel, the end of a connection."""


def can_trace():
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True)
    return tried.returncode == 0


class Played:
    """A script that runs in a process of its own and is watched.

    Parameters
    ----------
    script : Path
        It gets the folder to work in, and prints "done" in the end.
    folder : Path
        An empty folder.
    """

    def __init__(self, script, folder):
        self._noted, self._traced = folder / "noted.txt", folder / "traced.txt"
        for path in (self._noted, self._traced):
            path.touch()
        (folder / "watch").mkdir()
        (folder / "watch" / "sitecustomize.py").write_text(WATCH)
        command = [sys.executable, str(script), str(folder)]
        if can_trace():
            options = ["-f", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}"]
            command = ["strace", *options, "-o", str(self._traced), *command]
        self._said = (folder / "said.txt").open("w+")
        self.process = subprocess.Popen(
            command,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            env=environment(folder, self._noted),
        )

    def end(self):
        """Wait for its end; return what Python and strace noted."""
        with self._said:
            status = self.process.wait(SECONDS)
            self._said.seek(0)
            said = self._said.read()
        assert (status, said[-5:]) == (0, "done\n"), said[-3000:]
        return self._noted.read_text(), self._traced.read_text()


def environment(folder, noted):
    """Return that of a user who begins, under watch."""
    # No proxy would hide where something was to go, and no word tells of tests.
    left_out = {"CI", "PYTEST_CURRENT_TEST", "http_proxy", "https_proxy"}
    kept = {k: v for k, v in os.environ.items() if k not in left_out}
    paths = [str(folder / "watch"), str(SOURCE), kept.get("PYTHONPATH", "")]
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    # The cache of the tests: what is fastest is measured there once.
    for name in ("CONFIG", "MODELS", "SITTINGS"):
        kept[f"NAPARI_DEEPHEME_{name}"] = str(folder / "user" / name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        kept[name] = str(folder / "home")
    return {**kept, "WATCHED_IN": str(noted)}


@pytest.fixture
def played(script, tmp_path):
    running = Played(HERE / script, tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


def is_local(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "", "None")


def beyond_by_python(noted):
    """Return the lines that tell of another machine."""
    found = []
    for line in noted.splitlines():
        event, told = line.split(" ", 1)
        if event in ("urllib.Request", "webbrowser.open"):
            found.append(line)
        # A path or an abstract name is a socket of this machine.
        elif host := re.match(r"\(+b?'([^'/\\]*)', ", told):
            found += [line] * (not is_local(host[1]))
    return found


def beyond_by_strace(traced):
    """Return the calls with an address that is not this machine's own."""
    found = []
    for line in traced.splitlines():
        family = re.search(r"sa_family=(\w+)", line)
        if family is None or family[1] in LOCAL_FAMILIES:
            continue
        addresses = re.findall(r'inet_(?:addr|pton)\((?:\w+, )?"([^"]+)"', line)
        if not addresses or not all(map(is_local, addresses)):
            found.append(line)
    return found


@pytest.mark.parametrize(
    "script", ["commands.py", pytest.param("sitting.py", marks=pytest.mark.slow)]
)
def test_nothing_beyond_this_machine_is_connected_to(script, played):
    noted, traced = played.end()
    assert beyond_by_python(noted) == []
    assert beyond_by_strace(traced) == []
    if script == "commands.py":
        # The batch's processes talk to each other, so that this sees connections.
        assert "socket.connect" in noted
        assert not can_trace() or "127.0.0.1" in traced


CALLING = """
import ctypes, socket, sys
with socket.socket() as one:
    one.setblocking(False)
    one.connect_ex(("192.0.2.1", 80))
try:
    socket.getaddrinfo("a.invalid", 80)
except OSError:
    pass
lib = ctypes.CDLL(None)
address = bytes([2, 0, 0, 53, 192, 0, 2, 53]) + bytes(8)
number = lib.socket(2, 2048 | 1, 0)
lib.connect(number, address, 16)
print("done")
"""
"""Calls from Python and past it; to addresses that are nobody's (RFC 5737)."""


@pytest.mark.skipif(sys.platform != "linux", reason="its calls are Linux's")
def test_what_does_call_elsewhere_is_seen(tmp_path):
    script = tmp_path / "calling.py"
    script.write_text(CALLING)
    noted, traced = Played(script, tmp_path).end()
    python = "\n".join(beyond_by_python(noted))
    assert "192.0.2.1" in python
    assert "a.invalid" in python
    assert "192.0.2.53" not in python
    if can_trace():
        assert "192.0.2.53" in "\n".join(beyond_by_strace(traced))

"""How long a window would be held while the models are loaded on another thread.

Run by ``python benchmarks/loading.py``. In processes of their own, three times in turn:
as it is done, and with torch imported as any module. The longest time for which the
first thread could not go on is what a reader would feel.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import nullcontext

from napari_deepheme import load_models
from napari_deepheme.core.models.torch import loading

ROUNDS = 3


def main() -> None:
    if len(sys.argv) > 1:
        measure(plainly=sys.argv[1] == "plainly")
        return
    for _ in range(ROUNDS):
        for way in ("as it is done", "plainly"):
            subprocess.run([sys.executable, __file__, way], check=True)


def measure(*, plainly: bool) -> None:
    if plainly:
        loading._others_go_on = nullcontext
    started = time.perf_counter()
    thread = threading.Thread(target=load_models)
    thread.start()
    longest, last = 0.0, time.perf_counter()
    while thread.is_alive():
        time.sleep(0.002)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    way = "torch imported plainly" if plainly else "as it is done"
    print(f"{way:24} loaded in {last - started:4.1f} s, held {longest * 1000:4.0f} ms")


if __name__ == "__main__":
    main()

"""A real JupyterLab in a headless Chromium: open a notebook, run its cells as a student does, read and photograph it.

    with Lab(folder) as lab:
        page = lab.open("03_rnn.ipynb")
        page.run_all()
        page.errors()           # {cell id: the text that the page shows for its error}
        page.photographs(out)   # PNG files, from top to bottom

The browser is driven by its own DevTools protocol: that needs the websocket client that JupyterLab itself brings.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.viz.browser import CHROMIUM

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-for-the-tests"
WIDTH, HEIGHT = 1100, 2600              # of the window: a photograph shows three screens
PATIENCE = 60                           # seconds for whatever is waited for, on a busy machine
SETTINGS = {                            # every cell is in the page, not only those that one would see
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false"},
}
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
         "--remote-debugging-port=0", "--remote-allow-origins=*"]

missing = [name for name in ("jupyterlab", "websocket") if importlib.util.find_spec(name) is None]
missing += [] if CHROMIUM else ["chromium"]
needs_jupyterlab = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


class Lab:
    """A JupyterLab server with a browser in front of it; both end with the `with` block."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stack = folder, contextlib.ExitStack()

    def __enter__(self) -> Lab:
        try:
            self.home = Path(self.stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            self.port = _free_port()
            self._serve()
            self._browse()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def _start(self, words: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
        log = self.stack.enter_context((self.home / f"{Path(words[0]).name}.log").open("wb"))
        process = subprocess.Popen(words, env=env, stdout=log, stderr=log, cwd=self.folder)
        self.stack.callback(_end, process)
        return process

    def _serve(self) -> None:
        for name, values in SETTINGS.items():
            path = self.home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "NBGRADER"))}
        env |= {"JUPYTERLAB_SETTINGS_DIR": str(self.home / "settings"), "JUPYTER_CONFIG_DIR": str(self.home / "config"),
                "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"), "IPYTHONDIR": str(self.home / "ipython"),
                "JUPYTERLAB_WORKSPACES_DIR": str(self.home / "workspaces"), "PYTHONPATH": str(ROOT)}
        self._start([sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={self.port}",
                     "--expose-app-in-browser", f"--IdentityProvider.token={TOKEN}", "--ServerApp.ip=127.0.0.1",
                     "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.folder}"], env)
        _wait(lambda: _get(f"http://127.0.0.1:{self.port}/api/status?token={TOKEN}"), "JupyterLab's server")

    def _browse(self) -> None:
        profile = self.home / "profile"
        self._start([str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"], dict(os.environ))
        active = profile / "DevToolsActivePort"
        _wait(lambda: active.is_file() and active.read_text().strip(), "Chromium")
        self.devtools = f"http://127.0.0.1:{active.read_text().splitlines()[0]}"

    def open(self, notebook: str) -> Page:
        """The notebook in a tab of its own, once its kernel is ready."""
        page = self.tab(f"/doc/tree/{notebook}?reset&token={TOKEN}")
        _wait(lambda: page.js(READY), f"the kernel of {notebook}")
        page.js(f"jupyterapp.shell.activateById({TAB}.id)")
        return page

    def tab(self, path: str) -> Page:
        """A page of the server in a tab of its own."""
        request = urllib.request.Request(f"{self.devtools}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            page = Page(json.load(reply)["webSocketDebuggerUrl"])
        self.stack.callback(page.socket.close)
        page.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
        page.call("Page.navigate", url=f"http://127.0.0.1:{self.port}{path}")
        return page


class Page:
    """One tab with one notebook."""

    def __init__(self, address: str) -> None:
        import websocket

        self.socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self.count = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol. Raises RuntimeError with the browser's words."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while True:
            reply = json.loads(self.socket.recv())
            if reply.get("id") == self.count:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']}")
                return reply["result"]

    def js(self, code: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        got = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in got:
            raise RuntimeError(str(got["exceptionDetails"])[:500])
        return got["result"].get("value")

    def run_all(self) -> float:
        """Run every code cell, one after another, errors or not; the seconds that it took."""
        began = time.perf_counter()
        for i in range(self.js(f"{NOTEBOOK}.widgets.length")):
            self.js(f"{NOTEBOOK}.activeCellIndex = {i}")
            self.js("jupyterapp.commands.execute('notebook:run-cell').then(() => true, () => false)")
        time.sleep(0.5)                 # the last output is drawn
        return time.perf_counter() - began

    def errors(self) -> dict[str, str]:
        """The cells whose output shows an error or something on stderr, with the text as the page shows it."""
        return dict(self.js(ERRORS))

    def count_of(self, selector: str) -> int:
        return int(self.js(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def text_of(self, cell: str) -> str:
        """What a reader sees of a cell: its source and its outputs."""
        return str(self.js(f"{NOTEBOOK}.widgets.find(w => w.model.id === {json.dumps(cell)}).node.innerText"))

    def photographs(self, folder: Path, name: str) -> list[Path]:
        """The whole notebook in pictures, from top to bottom."""
        folder.mkdir(parents=True, exist_ok=True)
        self.js("document.fonts.ready.then(() => true)")
        self.js(f"{PANEL}.scrollTop = 0")
        height, step, made = self.js(BOTTOM), self.js(f"{PANEL}.clientHeight"), []
        for i in range(math.ceil(height / step)):
            self.js(f"{PANEL}.scrollTop = {i * step}")
            time.sleep(0.2)
            made.append(folder / f"{name}-{i + 1:02d}.png")
            made[-1].write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return made


TAB = "[...jupyterapp.shell.widgets('main')][0]"
NOTEBOOK = f"{TAB}.content"
PANEL = "document.querySelector('.jp-WindowedPanel-outer')"
READY = f"""typeof jupyterapp !== "undefined" && !!{TAB}?.content?.widgets?.length && !!{PANEL}
    && {TAB}.sessionContext?.session?.kernel?.status === 'idle'"""
BOTTOM = f"{NOTEBOOK}.widgets.at(-1).node.getBoundingClientRect().bottom - {PANEL}.getBoundingClientRect().top"
ERRORS = f"""{NOTEBOOK}.widgets.map(w => [w.model.id, [...(w.model.outputs ? Array(w.model.outputs.length).keys() : [])]
    .filter(i => w.model.outputs.get(i).type === "error" || w.model.outputs.get(i).toJSON().name === "stderr")
    .map(i => w.node.querySelectorAll(".jp-OutputArea-output")[i]?.innerText || "an error that the page does not show")
    .join("\\n")]).filter(([id, text]) => text)"""


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _get(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return bool(reply.status == 200)


def _wait(ready: Any, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError, RuntimeError):
            if ready():
                return
        time.sleep(0.3)
    raise TimeoutError(f"{what} was not ready after {PATIENCE} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def copied(notebook: Path, folder: Path) -> Path:
    """A notebook in a student's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(notebook, folder / notebook.name))

"""A headless Chromium for pages: load a file, let its script run, and read what the page became."""
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
          "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def dom(page: Path, profile: Path, script: str = "", at: str = "") -> str:
    """The page's HTML after its own script, and then `script`, have run. at: what follows the # of its address."""
    if script:
        text = page.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>")
        page = page.with_name("driven-" + page.name)
        page.write_text(text, encoding="utf-8")
    done = subprocess.run([str(CHROMIUM), *_FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=4000",
                           "--dump-dom", page.as_uri() + (f"#{at}" if at else "")],
                          capture_output=True, text=True, timeout=120, check=True)
    return done.stdout

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""In a real browser, from file://: the site finds a word, and does not find what is nowhere."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

site = pathlib.Path(sys.argv[1])
browser = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"))), None)
if not browser or not (site / "index.html").exists():
    print("SKIPPED: needs Chromium (scripts/check-report), and the site that docs_site builds (scripts/docs)")
    sys.exit(77)


def found(word):
    """The pages that a search for `word` lists."""
    with tempfile.TemporaryDirectory() as profile:
        run = subprocess.run(
            [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             f"--user-data-dir={profile}",
             "--virtual-time-budget=10000", "--dump-dom", f"{(site / 'howto/tune.html').resolve().as_uri()}?q={word}"],
            capture_output=True, text=True, timeout=120)
    if "md-search-result" not in run.stdout:
        sys.exit(f"the browser shows no page with a search:\n{run.stderr[-2000:]}")
    return set(re.findall(r'href="[^"]*/(\w+)\.html[^"]*" class="md-search-result__link"', run.stdout))


pages = found("customGradient")
if "derivatives" not in pages:
    sys.exit(f"customGradient is found on {sorted(pages) or 'no page'}")
if pages := found("zyzzyva"):
    sys.exit(f"zyzzyva is found on {sorted(pages)}")
print("found what is there, and nothing else")

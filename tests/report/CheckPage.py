#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CheckPage.py PAGE...: fails unless a report is well-formed HTML that needs no other file, whose links lead somewhere.

--browser looks at it in headless Chromium as well, at the width of a phone and of a desk, with scripting on and off;
without a browser that part ends with exit code 77. --shots FOLDER keeps the pictures."""

import argparse
import html
import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

VOID = {"meta", "br", "input", "link", "img", "hr"}
# What may load something, or run something.
LOADING = {"link", "img", "iframe", "object", "embed", "source", "video", "audio", "base", "form", "use", "image",
           "foreignobject", "animate", "set"}
# At the least, for a page that a test made of a graph with kernels.
SECTIONS = ["summary", "kernels", "graph", "roofline", "memory", "compile", "arguments"]


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.targets, self.problems = [], set(), [], []
        self.scripts, self.text, self.boxes = 0, [], []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(set(names)) != len(names):
            self.problems.append(f"<{tag}> has an attribute twice: {attrs}")
        attributes = dict(attrs)
        if tag in LOADING:
            self.problems.append(f"<{tag}> may load something")
        for name, value in attrs:
            if name.startswith("on"):
                self.problems.append(f"<{tag}> has the handler {name}")
            if name in ("src", "srcset", "data", "action", "xlink:href") or (name == "style" and "url" in (value or "")):
                self.problems.append(f"<{tag} {name}={value}> loads something")
            if name == "href":
                if not value.startswith("#"):
                    self.problems.append(f"<{tag} href={value}> leads out of the page")
                else:
                    self.targets.append(value[1:])
        if "id" in attributes:
            if attributes["id"] in self.ids:
                self.problems.append(f"the id {attributes['id']} is there twice")
            self.ids.add(attributes["id"])
        if tag == "rect":
            box = [float(attributes[name]) for name in ("x", "y", "width", "height")]
            if min(box[2:]) <= 0:
                self.problems.append(f"an empty box: {attrs}")
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.problems.append(f"</{tag}> closes <{self.open[-1] if self.open else ''}> at {self.getpos()}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)


def checkText(path):
    raw = path.read_bytes()
    text = raw.decode("utf-8")
    page = Page()
    page.feed(text)
    page.close()
    problems = page.problems
    if page.open:
        problems.append(f"never closed: {page.open}")
    problems += [f"a link leads to #{target}, which is nowhere" for target in set(page.targets) - page.ids]
    if page.scripts != 1:
        problems.append(f"{page.scripts} scripts")
    problems += [f"no section {name}" for name in SECTIONS if name not in page.ids]
    style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
    if "@import" in style or "url(" in style:
        problems.append("the style loads something")
    if "default-src 'none'" not in text:
        problems.append("no Content-Security-Policy")
    return problems, len(raw), page


# -- In a browser ------------------------------------------------------------------------------------------------------

PROBE = """<script>addEventListener('load',function(){var d=document.documentElement,r={};
r.width=innerWidth;r.scroll=d.scrollWidth;r.js=d.classList.contains('js');
r.kernels=document.querySelectorAll('details.k').length;
r.bar=getComputedStyle(document.querySelector('.bar')||d).display;
var b=document.querySelector('button[data-sort=bytes]');if(b){b.click();
r.sorted=[].map.call(document.getElementById('list').children,function(e){return +e.dataset.bytes});
document.querySelector('button[data-sort=n]').click()}
var f=document.getElementById('find');if(f){f.value='no such kernel';f.oninput();
r.left=[].filter.call(document.querySelectorAll('details.k'),function(e){return !e.hidden}).length;f.value='';f.oninput()}
var k=document.querySelector('details.k');if(k){location.hash='#'+k.id;setTimeout(function(){r.opened=k.open;done()},50)}else done();
function done(){r.ms=performance.now();var p=document.createElement('pre');p.id='probe';p.textContent=JSON.stringify(r);
document.body.appendChild(p)}});</script>"""


def findBrowser():
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    return None


def browse(browser, arguments, folder):
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
               f"--user-data-dir={folder}/profile", "--virtual-time-budget=4000"] + arguments
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout


def checkInBrowser(path, browser, shots):
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        probed = folder / "probed.html"
        text = path.read_text(encoding="utf-8")
        # Escaped text of users cannot hold the end of the body.
        assert text.count("</body>") == 1
        probed.write_text(text.replace("</body>", PROBE + "</body>"), encoding="utf-8")
        plain = folder / "plain.html"  # The browser refuses to run its script.
        assert text.count("script-src 'unsafe-inline'") == 1
        plain.write_text(text.replace("script-src 'unsafe-inline'", "script-src 'none'"), encoding="utf-8")
        if '<html lang="en" class="js">' in browse(browser, ["--dump-dom", plain.as_uri()], folder):
            problems.append("the script of the plain page ran")
        shots = pathlib.Path(shots) if shots else folder
        shots.mkdir(parents=True, exist_ok=True)
        for name, size in (("phone", "390,844"), ("desk", "1280,900")):
            dom = browse(browser, [f"--window-size={size}", "--dump-dom", probed.as_uri()], folder)
            found = re.search(r'<pre id="probe">(.*?)</pre>', dom)
            if not found:
                problems.append(f"{name}: the script did not come to its end")
                continue
            state = json.loads(html.unescape(found.group(1)))
            if state["scroll"] > state["width"]:
                problems.append(f"{name}: the page is {state['scroll']} wide in a window of {state['width']}")
            if not state["js"]:
                problems.append(f"{name}: the page's script did not run")
            if state["kernels"] and (state["bar"] == "none" or not state["opened"] or state["left"] != 0 or
                                     state["sorted"] != sorted(state["sorted"], reverse=True)):
                problems.append(f"{name}: sorting, filtering or opening does not work: {state}")
            print(f"{name}: {state['kernels']} kernels, ready after {state['ms']:.0f} ms")
            # Without scripting the same is to be read, but for the buttons.
            for kind, page in (("", path), ("-plain", plain)):
                shot = shots / f"{path.stem}-{name}{kind}.png"
                browse(browser, [f"--window-size={size.split(',')[0]},3000", f"--screenshot={shot}", page.as_uri()], folder)
                if shot.stat().st_size < 20000:
                    problems.append(f"{shot.name} shows next to nothing")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--shots")
    parser.add_argument("--contains", action="append", default=[], help="text that a reader must see")
    arguments = parser.parse_args()
    browser = findBrowser() if arguments.browser else None
    failed = 0
    for path in arguments.pages:
        problems, size, page = checkText(path)
        seen = "".join(page.text)
        problems += [f"nobody reads '{text}'" for text in arguments.contains if text not in seen]
        if browser:
            problems += checkInBrowser(path.resolve(), browser, arguments.shots)
        for problem in problems[:20]:
            print(f"{path}: {problem}")
        print(f"{path}: {size} bytes, {len(problems)} problems")
        failed += bool(problems)
    if failed:
        return 1
    if arguments.browser and not browser:
        print("NO BROWSER: the pages were NOT looked at in one; scripts/check-report installs Chromium", file=sys.stderr)
        return 77
    return 0


sys.exit(main())

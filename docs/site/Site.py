#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the manual as a site: collects the pages, writes the reference, runs MkDocs, checks every link.

Also the anchors of headings for MkDocs: mkdocs.yml names slugify() below."""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import ApiReference  # noqa: E402
import HeaderText  # noqa: E402
import Links  # noqa: E402


TOOLS = ["graph-compile", "graph-run", "fused-bench"]


def slugify(title, separator):
    return Links.slug(title, {})


def stage(source, pages):
    """The pages as MkDocs reads them, in `pages`."""
    if pages.exists():
        shutil.rmtree(pages)
    shutil.copytree(source / "docs", pages, ignore=shutil.ignore_patterns("site"))
    for page in pages.rglob("*.md"):
        text = re.sub(r"^<!-- test: .*? -->\n", "", page.read_text(), flags=re.M)
        page.write_text(text)
    if problems := ApiReference.checkCoverage(source):
        sys.exit("\n".join(problems))
    ApiReference.write(source, pages / "reference")


def writeTools(source, programs, page):
    """What the tools say of themselves, and the environment variables."""
    text = ("# Command lines\n\nWhat `--help` prints. Every tool ends with one of the "
            "[exit codes](../tutorial/1-build.md#exit-codes-and-errors).\n")
    for tool in TOOLS:
        run = subprocess.run([programs / tool, "--help"], capture_output=True, text=True, check=True)
        text += f"\n## {tool}\n\n```text\n{run.stdout.strip()}\n```\n"
    text += "\n## Environment variables\n\n| variable | meaning |\n|---|---|\n"
    table = (source / "runtime/Environment.cpp").read_text().split("table[] = {")[1].split("\n};")[0]
    for name, meaning in re.findall(r'\{"(SINTER_\w+)",\s*((?:"[^"]*"\s*)+),', table):
        said = "".join(re.findall(r'"([^"]*)"', meaning))
        text += f"| `{name}` | {said} |\n"
    page.write_text(text)


def configure(build):
    """mkdocs.yml with the pages of the reference and absolute folders."""
    text = (HERE / "mkdocs.yml").read_text()
    listed = "".join(f"\n          - reference/{page}.md" for page, *_ in ApiReference.PAGES)
    text = re.sub(r"C\+\+ interface: \[\].*", f"C++ interface:{listed}", text)
    if not (build / "docs/reference/tools.md").exists():
        text = re.sub(r"^ *- Command lines: .*\n", "", text, flags=re.M)
    text = re.sub(r"^docs_dir: .*", f"docs_dir: {build}/docs", text, flags=re.M)
    text = re.sub(r"^site_dir: .*", f"site_dir: {build}/site", text, flags=re.M)
    text = re.sub(r"custom_dir: theme", f"custom_dir: {HERE}/theme", text)
    config = build / "mkdocs.yml"
    config.write_text(text)
    return config


def main():
    parser = argparse.ArgumentParser(description="Builds the manual as a site.")
    parser.add_argument("--source", type=pathlib.Path, default=HERE.parents[1])
    parser.add_argument("--build", type=pathlib.Path, help="where docs/ and site/ are made (build)")
    parser.add_argument("--tools", type=pathlib.Path, help="the folder of the built tools, whose --help becomes a page")
    arguments = parser.parse_args()
    if not shutil.which("mkdocs") or not pathlib.Path("/usr/share/mkdocs/themes/material").exists():
        print("SKIPPED: MkDocs or its theme 'material' is not installed; scripts/docs installs both")
        sys.exit(77)
    build = (arguments.build or arguments.source / "build").resolve()
    build.mkdir(parents=True, exist_ok=True)
    try:
        stage(arguments.source, build / "docs")
        if arguments.tools and all((arguments.tools / tool).exists() for tool in TOOLS):
            writeTools(arguments.source, arguments.tools, build / "docs/reference/tools.md")
        else:
            print("without the page of command lines: the tools are not built")
    except HeaderText.Malformed as error:
        sys.exit(str(error))
    environment = dict(os.environ, PYTHONPATH=str(HERE), PYTHONDONTWRITEBYTECODE="1")  # For slugify().
    subprocess.run(["mkdocs", "build", "--strict", "--quiet", "--config-file", str(configure(build))],
                   env=environment, check=True)
    site = build / "site"
    index = (site / "search/search_index.json").read_text()
    (site / "search/search_index.js").write_text(f"window.__search = {{index: Promise.resolve({index})}};\n")
    for unused in (*site.rglob("*.map"), site / "assets/javascripts/lunr", site / "sitemap.xml.gz", site / "sitemap.xml"):
        shutil.rmtree(unused) if unused.is_dir() else unused.unlink(missing_ok=True)
    pages = sorted(page for page in site.rglob("*.html") if page.name != "404.html")
    problems, count = Links.check(pages, Links.readHtml, site)
    if problems:
        sys.exit("\n".join(problems))
    print(f"{site / 'index.html'}: {len(pages)} pages, {count} links, {len(json.loads(index)['docs'])} places to find")


if __name__ == "__main__":
    main()

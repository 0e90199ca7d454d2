"""Opens report pages in headless Chromium and prints what is wrong with each, as JSON: {page: {"problems": [problem, …],
"charts": number}}.

browse.py BROWSER all|once PAGE…   with screenshots in $HURACAN_TEST_SHOTS where that is set

Every page is looked at 390 and 1280 pixels wide, light and dark, and without scripts; or but once, 1280 wide and light.
"""

import json
import os
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

WIDTHS = {390: 844, 1280: 800}
SCHEMES = ["light", "dark"]
SECTIONS = [
    "account", "forward", "verdicts", "calibration", "costs", "exits", "decisions", "risk", "importance", "time", "regimes",
    "engines", "patterns",
]

# What is wrong with the layout, the charts and the sections of the page as it is now.
LOOK = """
([sections]) => {
  const problems = [];
  const width = document.documentElement.clientWidth;
  const shown = element => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
  const name = element => element.getAttribute("aria-label") || element.id || element.className || element.tagName;

  if (document.documentElement.scrollWidth > width)
    problems.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${width}`);
  // What may be scrolled sideways within its own box is not cut off.
  for (const element of document.querySelectorAll("main *")) {
    if (!shown(element) || element.closest("svg, nav, .scroll > table, .lane")) continue;
    const box = element.getBoundingClientRect();
    if (box.right > width + 1 || box.left < -1)
      problems.push(`${name(element)} reaches from ${box.left} to ${box.right} in a window of ${width}`);
  }
  // No section needs to be scrolled sideways at these widths, and nothing covers another number.
  for (const box of document.querySelectorAll(".scroll"))
    if (shown(box) && box.scrollWidth > box.clientWidth + 1)
      problems.push(`a table of ${box.closest("details")?.id || "?"} is cut off: ${box.scrollWidth} in ${box.clientWidth}`);
  for (const cell of document.querySelectorAll("td, th, .tile, .bars > span"))
    if (shown(cell) && cell.scrollWidth > cell.clientWidth + 1)
      problems.push(`text leaves its cell: ${cell.textContent.trim().slice(0, 60)}`);

  for (const id of sections) {
    const section = document.getElementById(id);
    if (!section) problems.push(`no section ${id}`);
    else if (!shown(section) || section.innerText.trim().length < 8) problems.push(`section ${id} is empty`);
  }

  const charts = [...document.querySelectorAll("figure svg, svg.spark")].filter(shown);
  for (const svg of charts) {
    const box = svg.getBoundingClientRect();
    if (box.width < 40 || box.height < 15) problems.push(`chart ${name(svg)} is ${box.width} × ${box.height}`);
    if (!svg.getAttribute("aria-label")) problems.push("a chart has no name");
    const curves = [...svg.querySelectorAll(".s-line, .s-fall, .s-second, .s-other")].filter(e => e.matches("path, polyline"));
    const extents = curves.map(curve => curve.getBoundingClientRect());
    // Predictions span a part of the axis that is the same for both directions.
    const least = svg.closest("#calibration") ? 0.15 : 0.5;
    const wide = curves.filter((_, i) => extents[i].width > least * box.width);
    if (wide.length === 0) problems.push(`chart ${name(svg)} has no curve`);
    // What the key names is drawn.
    const keys = svg.closest("figure")?.querySelectorAll("figcaption .key").length ?? 1;
    if (wide.length > 0 && wide.length < keys) problems.push(`chart ${name(svg)} has ${wide.length} curves for ${keys} keys`);
    for (const extent of extents)
      if (extent.left < box.left - 2 || extent.right > box.right + 2 || extent.top < box.top - 2 || extent.bottom > box.bottom + 2)
        problems.push(`a curve of ${name(svg)} leaves its chart`);
    for (const curve of curves) {
      const style = getComputedStyle(curve);
      if (style.stroke === "none" || style.stroke === getComputedStyle(document.querySelector(".part")).backgroundColor)
        problems.push(`a curve of ${name(svg)} cannot be seen`);
    }
    const labels = [...svg.querySelectorAll("text")].map(label => [label, label.getBoundingClientRect()]);
    if (svg.closest("figure") && labels.length < 5) problems.push(`chart ${name(svg)} has no axes`);
    labels.forEach(([label, a], i) => {
      if (a.left < box.left - 1 || a.right > box.right + 1) problems.push(`label ${label.textContent} is cut off`);
      for (const [other, b] of labels.slice(i + 1))
        if (a.left < b.right && b.left < a.right && a.top < b.bottom - 3 && b.top < a.bottom - 3)
          problems.push(`labels ${label.textContent} and ${other.textContent} overlap`);
    });
  }
  return [problems, charts.length];
}
"""

# Ink against what lies behind it, by WCAG 2.1: 4.5 or more is readable.
CONTRAST = """
() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = parts(colour).map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if ((parts(colour)[3] ?? 1) === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const problems = new Set();
  for (const element of document.querySelectorAll("h1, h2, small, .how, .value, .note, .why, .sub, .pill, .mark, .simulated, td, th, nav a, footer")) {
    if (element.getClientRects().length === 0) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) problems.add(`${element.tagName} ${element.className} has a contrast of ${ratio.toFixed(2)}`);
  }
  return [...problems];
}
"""


class Watched:
    """A page of a browser, and everything it complained of or asked for."""

    def __init__(self, browser, path, **options):
        self.problems = []
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(10_000)
        self.page = self.context.new_page()
        self.url = path.resolve().as_uri()
        self.page.on("console", lambda message: self.problems.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("request", self.asked)
        self.page.goto(self.url)

    def asked(self, request):
        if request.url != self.url and not request.url.startswith("data:"):
            self.problems.append(f"network: {request.url}")

    def close(self):
        self.context.close()
        return self.problems


def look(browser, path, width, scheme, shots):
    watched = Watched(
        browser, path, viewport={"width": width, "height": WIDTHS[width]}, color_scheme=scheme
    )
    page = watched.page
    problems, charts = page.evaluate(LOOK, [SECTIONS])
    if shots:
        page.screenshot(path=shots / f"{path.parent.parent.name}-{width}-{scheme}.png", full_page=True)
    problems += page.evaluate(CONTRAST)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 19, 25)"
    if dark != (scheme == "dark"):
        problems.append("the page does not follow the colour scheme")
    try:
        problems += use(page)
    except Error as error:
        problems.append(f"the page cannot be used: {error.message.splitlines()[0]}")
    return [f"{width} {scheme}: {problem}" for problem in problems + watched.close()], charts


def use(page):
    """Does what a reader does: a value under the pointer, the order and the filter of the verdicts."""
    problems = []
    for figure in page.query_selector_all("figure[data-series]"):
        svg = next(svg for svg in figure.query_selector_all("svg") if svg.is_visible())
        svg.scroll_into_view_if_needed()
        svg.hover()
        told = figure.query_selector("output").inner_text()
        if not ("account" in told or "all models" in told) or not any(digit.isdigit() for digit in told):
            problems.append(f"no value under the pointer: '{told}'")
    table = page.query_selector(".verdicts")
    tools = page.query_selector(".tools")
    if table and len(page.query_selector_all(".verdicts tbody tr")) > 1:
        if not tools.is_visible():
            return problems + ["the verdicts cannot be ordered or filtered"]
        shown = lambda: [cell.inner_text() for cell in page.query_selector_all(".verdicts .symbol") if cell.is_visible()]
        trades = "[...document.querySelectorAll('.verdicts tbody tr')].map(row => Number(row.cells[3].dataset.sort))"
        page.select_option("select[aria-label=Order]", label="by trades")
        counts = page.evaluate(trades)
        if counts != sorted(counts, reverse=True):
            problems.append(f"the order by trades is {counts[:5]}")
        if len(shown()) > 25:
            problems.append(f"{len(shown())} verdicts are shown at once")
        if not shown():
            return problems + ["no verdict is shown"]
        name = shown()[-1]
        page.fill("input[type=search]", name.lower())
        if not all(name.lower() in symbol.lower() for symbol in shown()) or not shown():
            problems.append(f"the filter {name} shows {shown()}")
        page.fill("input[type=search]", "no such symbol")
        if shown():
            problems.append("a filter that nothing fits shows something")
        page.fill("input[type=search]", "")
    return problems


def without_scripts(browser, path):
    watched = Watched(browser, path, java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = watched.page
    problems = [f"no section {id}" for id in SECTIONS if not page.locator(f"#{id}").is_visible()]
    rows = page.locator(".verdicts tbody tr")
    if any(not rows.nth(i).is_visible() for i in range(rows.count())):
        problems.append("verdicts are hidden")
    if page.locator(".tools").count() and page.locator(".tools").is_visible():
        problems.append("tools are shown that do nothing")
    # The page forbids itself what it does not need, but a browser without scripts says so of the page's own.
    said = [problem for problem in watched.close() if problem.startswith("network")]
    return [f"without scripts: {problem}" for problem in problems + said]


def main():
    browser_path, times, *pages = sys.argv[1:]
    looks = [(width, scheme) for width in WIDTHS for scheme in SCHEMES] if times == "all" else [(1280, "light")]
    shots = os.environ.get("HURACAN_TEST_SHOTS")
    shots = Path(shots) if shots else None
    # Root has no sandbox, and containers little shared memory.
    arguments = ["--disable-dev-shm-usage", "--disable-gpu"] + (["--no-sandbox"] if os.getuid() == 0 else [])
    result = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        for page in map(Path, pages):
            problems, charts = [], {}
            for width, scheme in looks:
                found, charts[width] = look(browser, page, width, scheme, shots)
                problems += found
            if times == "all":
                problems += without_scripts(browser, page)
            result[str(page)] = {"problems": problems, "charts": charts[1280]}
        browser.close()
    print(json.dumps(result))


main()

"""The look of the HTML report, for light and dark screens. Class m0 is the product, m1 and on the baselines."""

from __future__ import annotations

LIGHT = ("#d1242f", "#8c959f", "#0969da", "#8250df", "#bf8700", "#1a7f37", "#0e7490")
"""Colours of the methods in their order, on white."""

DARK = ("#ff6b6b", "#8b949e", "#58a6ff", "#bc8cff", "#e3b341", "#3fb950", "#39c5cf")
"""The same on black."""

_PAGE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#667;--rule:#ddd;--paper:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--rule:#333b45;--paper:#0d1117}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:820px;margin:2rem auto;
padding:0 1rem}
h1{margin:0;font-size:1.7rem}h2{margin:2rem 0 .5rem;font-size:1.2rem}.sub{color:var(--soft);margin:.2rem 0 1rem}
.lead{font-size:1.15rem}.legend span{margin-right:1rem;white-space:nowrap}
.legend i{display:inline-block;width:14px;height:4px;margin-right:.35rem;vertical-align:middle}
table{border-collapse:collapse;width:100%}
th,td{padding:.3rem .5rem;text-align:right;border-bottom:1px solid var(--rule)}
th:first-child{text-align:left}tr.m0{font-weight:700}figure{margin:1.2rem 0}figcaption{font-weight:600}
svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--soft)}.grid{stroke:var(--rule)}
polyline{fill:none;stroke-width:1.5}polyline.m0{stroke-width:3.5}
"""


def page_style() -> str:
    """Return the page's CSS.

    Examples
    --------
    >>> "polyline.m6{stroke:#0e7490}" in page_style()
    True
    """
    return _PAGE + _methods(LIGHT) + "@media(prefers-color-scheme:dark){" + _methods(DARK) + "}"


def _methods(colours: tuple[str, ...]) -> str:
    return "\n".join(
        f".legend .m{n}{{background:{colour}}}polyline.m{n}{{stroke:{colour}}}circle.m{n}{{fill:{colour}}}"
        for n, colour in enumerate(colours)
    )

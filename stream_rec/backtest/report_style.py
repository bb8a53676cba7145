"""The look of the HTML report, for light and dark screens. Class m0 is the product, m1 and on the baselines."""

CSS = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#667;--rule:#ddd;--paper:#fff;
--c0:#d1242f;--c1:#8c959f;--c2:#0969da;--c3:#a475f9;--c4:#bf8700;--c5:#1a7f37;--c6:#0e7490}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--rule:#333b45;--paper:#0d1117;
--c0:#ff6b6b;--c1:#8b949e;--c2:#58a6ff;--c3:#bc8cff;--c4:#e3b341;--c5:#3fb950;--c6:#39c5cf}}
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
.legend .m0{background:var(--c0)}.legend .m1{background:var(--c1)}.legend .m2{background:var(--c2)}
.legend .m3{background:var(--c3)}.legend .m4{background:var(--c4)}.legend .m5{background:var(--c5)}
.legend .m6{background:var(--c6)}
polyline.m0{stroke:var(--c0)}polyline.m1{stroke:var(--c1)}polyline.m2{stroke:var(--c2)}polyline.m3{stroke:var(--c3)}
polyline.m4{stroke:var(--c4)}polyline.m5{stroke:var(--c5)}polyline.m6{stroke:var(--c6)}
circle.m0{fill:var(--c0)}circle.m1{fill:var(--c1)}circle.m2{fill:var(--c2)}circle.m3{fill:var(--c3)}
circle.m4{fill:var(--c4)}circle.m5{fill:var(--c5)}circle.m6{fill:var(--c6)}
"""

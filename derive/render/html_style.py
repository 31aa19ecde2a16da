"""The style sheet of an HTML page: fonts that are there, light and dark, on a screen and on paper.

MathML Core leaves the alignment of a table's columns to the style sheet. What is wide scrolls.
"""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """\
:root { color-scheme: light dark; --ink: #1a1a1e; --faint: #5a5a66; --paper: #fdfdfb;
  --line: #d5d5dc; --box: #f1f1f6; --accent: #2b5fb3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6ea; --faint: #a3a3b0; --paper: #17171b; --line: #3a3a44; --box: #222229;
    --accent: #8ab4f8; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; }
main, footer { max-width: 62rem; margin: 0 auto; }
h1, h2, h3 { line-height: 1.25; margin: 1.6em 0 0.6em; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; margin-top: 0; }
h2 { font-size: 1.3rem; }
h3 { font-size: 1.1rem; }
article + article { border-top: 1px solid var(--line); margin-top: 2.5rem; }
p { margin: 0.5em 0; overflow-wrap: anywhere; }
math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", math; font-size: 1.1em; }
mn[mathvariant="bold"] { font-weight: bold; }
mtable.aligned > mtr > mtd { text-align: left; padding: 0.3em 0; }
mtable.cases > mtr > mtd { text-align: left; }
.wide { overflow-x: auto; overflow-y: hidden; padding: 0.25rem 0; }
.steps { padding-left: 2.2em; }
.steps > li { border-top: 1px solid var(--line); padding: 0.4rem 0 0.4rem 0.4rem; }
.steps > li::marker { color: var(--faint); font-variant-numeric: tabular-nums; }
.step, .beside { display: flex; align-items: baseline; gap: 0 1.5rem; }
.step { flex-wrap: wrap; justify-content: flex-end; }
.step > .wide { flex: 1 0 auto; max-width: 100%; }
.shape { width: 9rem; }
.rule { width: 16rem; }
.shape, .rule, .checked, footer, summary { color: var(--faint); font-size: 0.92rem; }
.rule { overflow-wrap: anywhere; }
.result { margin: 1rem 0 1.6rem; }
.boxed { border: 2px solid var(--accent); border-radius: 0.4rem; padding: 0.7rem 1rem;
  background: var(--box); }
.entries { list-style: none; padding: 0; }
.entries > li { overflow-x: auto; overflow-y: hidden; padding: 0.4rem 0; }
code { font-family: ui-monospace, monospace; font-size: 0.92em; }
pre { overflow-x: auto; background: var(--box); padding: 0.5rem 0.8rem; border-radius: 0.3rem; }
table { border-collapse: collapse; }
th { text-align: left; color: var(--faint); font-weight: 600; font-size: 0.92rem; }
th, td { border-bottom: 1px solid var(--line); padding: 0.45rem 1.5rem 0.45rem 0; }
td { white-space: nowrap; }
footer { margin-top: 3rem; }
@media (max-width: 48rem) {
  .step { justify-content: flex-start; }
  .step > .wide { width: 100%; }
  .shape, .rule { width: auto; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --faint: #333; --paper: #fff; --line: #bbb;
    --box: #fff; --accent: #000; }
  body { padding: 0; font-size: 10.5pt; }
  .steps > li, .result, tr { break-inside: avoid; }
  h1, h2, h3 { break-after: avoid; }
  .wide, .entries > li, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
  details { display: none; }
}
"""

"""Looks and behaviour of the report's page: plain CSS, light and dark, and a few lines of script."""

from __future__ import annotations

from typing import Final

CSS: Final = """
:root {
  color-scheme: light dark;
  --paper: #f7f7f5; --card: #ffffff; --ink: #1f2430; --soft: #5d6472; --line: #e0e1e4; --grid: #b9bdc6;
  --source: #2563ae; --converted: #c2410c; --target: #23804f; --weak: #b3261e; --weak-ground: #fdecea;
  --mark: #fde9c8; --focus: #2563ae;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161b; --card: #1c1f26; --ink: #e8eaee; --soft: #a2a9b6; --line: #2f343e; --grid: #565d6b;
    --source: #7fb2f0; --converted: #ff9d66; --target: #6fce9b; --weak: #ff9a92; --weak-ground: #43211f;
    --mark: #574117; --focus: #7fb2f0;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main, header { max-width: 72rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.25rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .6rem; }
h3 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .4rem 0; max-width: 48rem; }
.soft, figcaption, caption { color: var(--soft); }
a { color: var(--source); text-underline-offset: .15em; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: .5rem 1rem; z-index: 2; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.8rem, 1fr)); gap: .8rem; margin: 1.6rem 0 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem; }
.tile dt { color: var(--soft); font-size: .85rem; }
.tile dd { margin: 0; font-size: 1.65rem; font-weight: 650; letter-spacing: -.01em; }
.tile dd + dd { font-size: .82rem; font-weight: 400; letter-spacing: 0; color: var(--soft); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.scroll + p { margin-top: .9rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .7rem 1rem .3rem; font-size: .88rem; }
th, td { padding: .42rem .8rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); }
thead th {
  white-space: normal; border-top: 0; color: var(--soft); font-weight: 600; font-size: .85rem; vertical-align: bottom;
}
th:first-child, td:first-child { text-align: left; }
tbody th { font-weight: 500; white-space: normal; min-width: 12rem; }
tbody tr:hover { background: color-mix(in srgb, var(--source) 6%, transparent); }
summary { cursor: pointer; margin: 1.4rem 0 .6rem; font-weight: 600; }
details td small { display: block; font-size: .75rem; line-height: 1.2; }
td small { color: var(--soft); }
.weak { color: var(--weak); font-weight: 650; }
td.weak { background: var(--weak-ground); }
.range { width: 11rem; height: 1.5rem; display: block; }
.key { display: inline-flex; align-items: center; gap: .35rem; margin-right: 1rem; }
.key::before { content: ""; width: .7rem; height: .7rem; border-radius: 50%; background: currentColor; }
.key span { color: var(--ink); }
.floor { color: var(--source); } .converted { color: var(--converted); } .ceiling { color: var(--target); }
.tools { display: flex; flex-wrap: wrap; gap: 1rem; margin: .6rem 0 1rem; align-items: center; }
select {
  font: inherit; color: inherit; background: var(--card); border: 1px solid var(--grid); border-radius: 7px;
  padding: .25rem .5rem; margin-left: .35rem;
}
article {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.2rem 1rem;
  margin: 0 0 1.2rem; content-visibility: auto; contain-intrinsic-size: auto 44rem; scroll-margin-top: 1rem;
}
.head { display: flex; flex-wrap: wrap; gap: .2rem 1rem; align-items: baseline; justify-content: space-between; }
.facts { display: flex; flex-wrap: wrap; gap: .35rem 1.3rem; margin: .5rem 0 .8rem; padding: 0; list-style: none; }
.facts b { font-weight: 650; font-variant-numeric: tabular-nums; }
.players { display: grid; grid-template-columns: repeat(auto-fit, minmax(14.5rem, 1fr)); gap: .6rem .9rem; }
figure { margin: 0; }
.players figcaption { font-size: .86rem; margin-bottom: .15rem; }
.players figcaption b { color: var(--ink); font-weight: 600; }
audio { width: 100%; height: 2.4rem; display: block; }
.words { margin: .9rem 0 .2rem; display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; }
.words dt { color: var(--soft); } .words dd { margin: 0; }
del { color: var(--weak); }
ins { background: var(--mark); text-decoration: none; border-radius: 3px; padding: 0 .15em; }
.picture { margin-top: .8rem; overflow-x: auto; }
.plot * { stroke-linejoin: round; stroke-linecap: butt; }
.plot { display: block; width: 100%; min-width: 38rem; height: auto; }
footer { max-width: 72rem; margin: 2.5rem auto 0; padding: 1rem 1.25rem 3rem; color: var(--soft); font-size: .88rem; }
[hidden] { display: none !important; }
@media print { .tools, .players { display: none; } article { break-inside: avoid; } }
"""

SCRIPT: Final = """
'use strict';
const cards = [...document.querySelectorAll('article')];
const rows = new Map([...document.querySelectorAll('tr[data-card]')].map(row => [row.dataset.card, row]));
const order = document.getElementById('order'), sexes = document.getElementById('sexes');
const shown = document.getElementById('shown');
function arrange() {
  const key = order.value;
  const sorted = [...cards].sort((a, b) => b.dataset[key] - a.dataset[key]);
  let count = 0;
  for (const card of sorted) {
    const row = rows.get(card.id);
    card.parentNode.append(card);
    row.parentNode.append(row);
    card.hidden = row.hidden = sexes.value !== '' && card.dataset.sexes !== sexes.value;
    count += !card.hidden;
  }
  shown.textContent = count + ' of ' + cards.length + ' pairs shown';
}
order.addEventListener('change', arrange);
sexes.addEventListener('change', arrange);
document.querySelector('.tools').hidden = false;
arrange();
document.addEventListener('play', event => {
  for (const player of document.querySelectorAll('audio')) if (player !== event.target) player.pause();
}, true);
"""

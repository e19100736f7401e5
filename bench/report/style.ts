/** How the report looks, in light and in dark. */

/** Of engines, the first being nearpin's: apart in hue and in lightness, for light and for dark ground. */
const COLOURS = [
  ['#cf4409', '#ff7d47'],
  ['#1b5fc1', '#6ea8ff'],
  ['#0a8767', '#38c9a1'],
  ['#b34a93', '#e88fcd'],
  ['#b97a00', '#f0b545'],
  ['#2b93cf', '#82d0f7'],
  ['#6f6f78', '#a8a8b3'],
  ['#7048b0', '#b796f5'],
  ['#7d7700', '#cdc53c'],
  ['#8a5636', '#cc9b76'],
] as const;

export const COLOUR_COUNT = COLOURS.length;

const palette = (shade: 0 | 1) => COLOURS.map((shades, i) => `--c${i}: ${shades[shade]};`).join(' ');

export const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --raised: #f7f7f8; --ink: #1a1a1e; --quiet: #62626b; --line: #e4e4e8;
  --key: #b9b9c2; --good: #14804a; --poor: #b45309; ${palette(0)} }
@media (prefers-color-scheme: dark) {
  :root { --ground: #141417; --raised: #1d1d21; --ink: #ededf0; --quiet: #9d9da8; --line: #2d2d33;
    --key: #55555f; --good: #4ac585; --poor: #f0a04b; ${palette(1)} }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 5rem; max-width: 66rem; background: var(--ground); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 .5rem; }
h2 { font-size: 1.4rem; letter-spacing: -.01em; margin: 4rem 0 .4rem; padding-top: 1.2rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2.6rem 0 .5rem; }
h4 { font-size: .85rem; font-weight: 600; color: var(--quiet); margin: 1.6rem 0 .4rem; }
p { color: var(--quiet); max-width: 46rem; margin: 0 0 1rem; }
ul { color: var(--quiet); font-size: .9rem; padding-left: 1.2rem; }
nav { display: flex; flex-wrap: wrap; gap: .4rem; margin: 1.6rem 0 0; font-size: .85rem; }
nav a { color: inherit; text-decoration: none; padding: .2rem .7rem; border: 1px solid var(--line); border-radius: 1rem; }
nav a:hover { background: var(--raised); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 1.4rem 0 0; font-size: .85rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 0; overflow-x: auto; }
svg { width: 100%; min-width: 40rem; height: auto; display: block; }
svg text { fill: var(--quiet); font-size: 13px; }
svg .axis { font-size: 13.5px; fill: var(--ink); }
.grid line { stroke: var(--line); }
.grid .key { stroke: var(--key); stroke-dasharray: 4 4; }
.series polyline { fill: none; stroke: var(--colour); stroke-width: 2; stroke-linejoin: round; }
.s0 polyline { stroke-width: 3.5; }
.dashed polyline { stroke-dasharray: 6 4; }
.series :is(circle, rect, polygon) { fill: var(--colour); }
.series .loose { opacity: .35; }
.series text { fill: var(--ink); }
.s0 text { font-weight: 600; }
.leader { fill: none; stroke: var(--colour); stroke-opacity: .3; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .32rem .8rem; text-align: right; }
th { color: var(--quiet); font-weight: 500; background: var(--raised); border-bottom: 1px solid var(--line); }
tbody tr + tr td { border-top: 1px solid var(--line); }
tr.s0 td { font-weight: 600; }
.words { text-align: left; }
.dot { display: inline-block; width: .6em; height: .6em; margin-right: .55em; border-radius: 50%; background: var(--colour); }
details { margin: 1.4rem 0; }
summary { cursor: pointer; color: var(--quiet); font-size: .85rem; padding: .2rem 0; }
details > .scroll { margin-top: .5rem; }
.bars { margin: 1.2rem 0 0; padding: 0; list-style: none; font-size: .9rem; color: var(--ink); }
.bars li { display: grid; grid-template-columns: 1.2rem minmax(0, 1fr) 14rem 4.2rem 4.6rem; gap: 0 .8rem; align-items: center;
  padding: .5rem 0; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
.bars .on { display: block; color: var(--quiet); font-size: .82rem; }
.yes { --state: var(--good); }
.no { --state: var(--poor); }
.bars .sign { color: var(--state); font-weight: 700; }
.bars .measured { text-align: right; font-weight: 600; }
.bars .goal { color: var(--quiet); }
.track { position: relative; height: .5rem; border-radius: .25rem; background: var(--line); }
.track i { position: absolute; inset: 0 auto 0 0; border-radius: .25rem; background: var(--state); }
.track b { position: absolute; top: -.25rem; bottom: -.25rem; width: 2px; background: var(--ink); }
@media (max-width: 46rem) {
  body { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.6rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
  .bars li { grid-template-columns: 1.2rem minmax(0, 1fr) 4rem 4.4rem; gap: .3rem .6rem; }
  .track { grid-column: 2 / -1; grid-row: 2; }
}
@media print { details::details-content { content-visibility: visible; } nav { display: none; } }
${COLOURS.map((_, i) => `.s${i} { --colour: var(--c${i}); }`).join('\n')}
`;

/** Looks of the page: a masonry of cards, in light and dark, readable without colour. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #faf8f5; --card: #fff; --ink: #211d1a; --soft: #6a625b; --line: #e4ddd5;
  --accent: #b3123f; --on-accent: #fff; --shade: 0 1px 2px rgb(40 25 10 / 8%), 0 6px 20px rgb(40 25 10 / 7%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #171513; --card: #211e1b; --ink: #f1ece6; --soft: #aaa097; --line: #38332e;
    --accent: #ff7a9c; --on-accent: #2b0512; --shade: 0 1px 2px rgb(0 0 0 / 40%);
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
a { color: inherit; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: .5rem; z-index: 2; background: var(--card); padding: .5rem 1rem; border-radius: 8px; }
header {
  position: sticky; top: 0; z-index: 1; background: color-mix(in srgb, var(--ground) 92%, transparent);
  backdrop-filter: blur(8px); border-bottom: 1px solid var(--line);
}
.bar { max-width: 1400px; margin: 0 auto; padding: .75rem 1.25rem; display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; }
h1 { font-size: 1.25rem; margin: 0; letter-spacing: -.02em; }
h1 a { text-decoration: none; color: var(--accent); }
form { display: flex; flex: 1 1 22rem; gap: .5rem; }
input, select, button {
  font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 999px;
  padding: .5rem 1rem; min-height: 2.75rem;
}
input { flex: 1; min-width: 0; }
select { max-width: 16rem; }
button, .button {
  cursor: pointer; background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600;
}
.quiet { background: transparent; color: var(--ink); border-color: var(--line); font-weight: 500; }
.label { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
main { max-width: 1400px; margin: 0 auto; padding: 1rem 1.25rem 4rem; }
h2 { font-size: 1.3rem; margin: .5rem 0 .25rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
#facts, #status { color: var(--soft); margin: 0 0 .5rem; font-size: .9rem; font-variant-numeric: tabular-nums; }
#status.problem { color: var(--ink); background: var(--card); border-left: 4px solid var(--accent); padding: .75rem 1rem; border-radius: 6px; }
#results { display: flex; gap: 1.5rem; align-items: flex-start; margin-top: 1rem; }
#seed { flex: 0 0 15rem; position: sticky; top: 5.5rem; }
#seed:empty { display: none; }
#seed .card { outline: 3px solid var(--accent); outline-offset: -3px; }
#hits { flex: 1; list-style: none; margin: 0; padding: 0; columns: 15rem; column-gap: 1rem; }
@media (max-width: 720px) { #results { display: block; } #seed { position: static; margin-bottom: 1rem; } }
#hits li { break-inside: avoid; margin: 0 0 1rem; }
.card {
  display: block; text-decoration: none; background: var(--card); border-radius: 16px; overflow: hidden;
  box-shadow: var(--shade); transition: transform .15s ease;
}
.card:hover { transform: translateY(-3px); }
@media (prefers-reduced-motion: reduce) { .card { transition: none; } .card:hover { transform: none; } }
.card img { display: block; width: 100%; height: auto; }
.tile { display: grid; place-items: center; font-size: 2.5rem; font-weight: 700; color: #fff; text-transform: uppercase; }
.text { padding: .75rem .9rem .9rem; }
.title { font-weight: 600; margin: 0; overflow-wrap: anywhere; }
.id { color: var(--soft); font-size: .8rem; overflow-wrap: anywhere; margin: 0; }
.score { display: flex; align-items: center; gap: .5rem; margin: .5rem 0 0; font-size: .85rem; font-variant-numeric: tabular-nums; }
.score meter { flex: 1; height: .6rem; }
.chips { display: flex; flex-wrap: wrap; gap: .3rem; list-style: none; padding: 0; margin: .6rem 0 0; }
#hits .chips li, .chips li { margin: 0; font-size: .75rem; color: var(--soft); border: 1px solid var(--line); border-radius: 999px; padding: .05rem .55rem; overflow-wrap: anywhere; }
`;

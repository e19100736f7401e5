/** How the pages for people look: one column on a narrow screen, light or dark as the reader has it. */
export const STYLE = `
:root { --ink: #1b1b1f; --soft: #5c5f66; --paper: #fff; --tint: #f4f4f1; --line: #dcdcd6; --link: #0a56a8;
  --get: #0b6e4f; --post: #0a56a8; --put: #8a4b00; --delete: #a3232c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e9ec; --soft: #a9acb4; --paper: #16171a; --tint: #202227; --line: #383b42;
  --link: #8ec1ff; --get: #6fd6ae; --post: #8ec1ff; --put: #f0b267; --delete: #ff9aa0; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; overflow-wrap: anywhere; display: grid; grid-template-columns: minmax(0, 1fr); color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, sans-serif; }
nav { padding: 1rem; background: var(--tint); border-bottom: 1px solid var(--line); max-height: 40vh; overflow: auto; }
main { padding: 1rem; max-width: 60rem; }
main:focus { outline: none; }
@media (min-width: 60rem) { body { grid-template-columns: 19rem minmax(0, 1fr); }
  nav { position: sticky; top: 0; height: 100vh; max-height: none; border: 0; border-right: 1px solid var(--line); }
  main { padding: 1rem 2.5rem 4rem; } }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem; z-index: 1; }
a { color: var(--link); } nav a { text-decoration: none; } nav ul { list-style: none; margin: 0 0 1rem; padding: 0; }
nav li a { display: block; padding: .1rem 0; } nav h2 { font-size: .85rem; margin: .8rem 0 .2rem; color: var(--soft); }
.home a { margin-right: .8rem; font-weight: 600; }
h1 { font-size: 1.6rem; } h3 { font-size: 1.05rem; overflow-wrap: anywhere; }
.entry { border-top: 1px solid var(--line); padding: .5rem 0 1rem; }
.entry h2 { font-size: 1.1rem; }
.status, .type { color: var(--soft); font-weight: 400; font-size: .875rem; }
.method { font: 600 .75rem ui-monospace, monospace; }
.GET { color: var(--get); } .POST { color: var(--post); } .PUT { color: var(--put); } .DELETE { color: var(--delete); }
code, pre, textarea { font-family: ui-monospace, monospace; font-size: .875rem; }
pre { background: var(--tint); padding: .75rem; overflow: auto; max-height: 28rem; margin: .5rem 0; }
.fields { padding-left: 1rem; margin: .25rem 0; } .fields li { margin: .2rem 0; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1rem; } dt { color: var(--soft); } dd { margin: 0; }
summary { cursor: pointer; padding: .2rem 0; }
form label { display: block; margin: .4rem 0; color: var(--soft); }
input, textarea, button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft); padding: .3rem .5rem; border-radius: .25rem; }
textarea { width: 100%; font-family: ui-monospace, monospace; font-size: .875rem; }
#find { width: 100%; } nav label { display: block; font-size: .85rem; color: var(--soft); }
button { cursor: pointer; background: var(--tint); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.key label { display: block; color: var(--soft); }
`;

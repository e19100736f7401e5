/** `npm run test:fuzz -- [--requests 100000] [--seed 1] [--connections 8] [--only NUMBER]`: a campaign of that size; fails on any finding. */
import { parseArgs } from 'node:util';
import { runCampaign } from './campaign.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    connections: { type: 'string', default: '8' },
    only: { type: 'string' },
  },
});
const seed = Number(values.seed);
console.error(`seed ${seed}`);
let next = 0;
const report = await runCampaign({
  requests: Number(values.requests),
  seed,
  connections: Number(values.connections),
  ...(values.only !== undefined && { only: Number(values.only) }),
  onProgress: (done) => {
    if (done < next) return;
    console.error(`${done}`);
    next += 5000;
  },
});
const { findings, ...figures } = report;
console.log(JSON.stringify(figures, null, 2));
const kinds = new Map<string, number>();
for (const { number, kind, what, request } of findings) {
  const first = what.slice(0, 60);
  const times = (kinds.get(first) ?? 0) + 1;
  kinds.set(first, times);
  if (times <= 3) console.log(`\n${number} (${kind}): ${what}\n${request}`);
}
for (const [what, times] of kinds) console.log(`${times} times: ${what}`);
console.log(
  `${findings.length} findings; again: npm run test:fuzz -- --requests ${values.requests} --seed ${seed} --only NUMBER`,
);
process.exitCode = findings.length === 0 ? 0 : 1;

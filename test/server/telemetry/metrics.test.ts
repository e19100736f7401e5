/** /metrics: read strictly, told in the documents, shown on the dashboard, and true. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '../../../src/lib/errors.ts';
import { SHARD_PLANS, STAGES } from '../../../src/lib/watch.ts';
import { AuditLog } from '../../../src/server/auth/audit.ts';
import { METRICS, type MetricName } from '../../../src/server/telemetry/metrics.ts';
import { exchange, postJson, postMsgpack } from '../../support/http.ts';
import { DEMO_PINS, type LiveServer, liveServer } from '../../support/live-server.ts';
import { type ParsedFamily, parseMetrics, seriesValue } from '../../support/prometheus.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

let server: LiveServer;
before(async () => {
  server = await liveServer({
    telemetry: { version: '1.2.3', recall: { share: 1, seed: 1 } },
    audit: new AuditLog({ write: async () => {}, clock: () => 0, onFailure: () => {} }),
  });
});
after(() => server.close());

/** Names of labels by metric, as they come. */
const labelsOf = ({ samples, type }: ParsedFamily): string[] =>
  Object.keys(samples[0]!.labels).filter((name) => type !== 'histogram' || name !== 'le');

const search = (body: object) => postJson(`${server.demo}/search`, { text: 'brass lamp', ...body });

describe('/metrics', () => {
  it('is text that a strict reader takes, each metric as the table says', async () => {
    await search({ include: ['payload'], filter: { price: { $lt: 50 } } });
    await postJson(`${server.demo}/query`, { vector: [] });
    const families = await server.metrics();
    assert.ok(families.size > 35, `${families.size} metrics`);
    for (const each of families.values()) {
      const { type, help, labels } = METRICS[each.name as MetricName];
      assert.deepEqual([each.type, each.help], [type, help], each.name);
      assert.deepEqual(labelsOf(each).sort(), [...labels].sort(), each.name);
    }
  });

  it('has label values of a few: routes, statuses, codes, stages, plans, and indexes that exist', async () => {
    const strange = 'wh"at\\ever\n<script>';
    await exchange(`${server.url}/v1/indexes/${encodeURIComponent(strange)}`);
    await postJson(`${server.url}/v1/indexes/${encodeURIComponent(strange)}/query`, { vector: [1] });
    await exchange(`${server.url}/no/such/${Math.random()}`);
    await exchange(`${server.url}/livez`, { method: 'PROPFIND' }).catch(() => {});
    const values = new Map<string, Set<string>>();
    for (const { samples } of (await server.metrics()).values())
      for (const { labels } of samples)
        for (const [name, value] of Object.entries(labels)) {
          values.set(name, (values.get(name) ?? new Set()).add(value));
        }
    const only = (name: string, allowed: readonly string[]) => {
      for (const value of values.get(name)!) assert.ok(allowed.includes(value), `${name}="${value}"`);
    };
    only('index', ['demo']);
    only('code', Object.keys(ERRORS));
    only('stage', STAGES);
    only('plan', SHARD_PLANS);
    only('method', ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'other']);
    assert.ok(
      [...values.get('route')!].every((route) => route === 'none' || !/demo|such|script/.test(route)),
    );
    assert.ok(values.get('route')!.has('none') && values.get('route')!.has('/v1/indexes/:index/query'));
  });

  it('times every stage that a request has, and counts what its searches did', async () => {
    const before = await server.metrics();
    const counted = (families: typeof before, stage: string) =>
      seriesValue(families, 'nearpin_stage_duration_seconds_count', { stage }) ?? 0;
    const requests = 40;
    for (let i = 0; i < requests; i++) {
      const { status } = await search({
        mode: 'hybrid',
        include: ['payload'],
        // A filter that none has had, so that its mask is evaluated; in reach of all, so that it is not
        filter: { price: { $lt: 20 + (i % 2 === 0 ? i / 100 : 1000) } },
      });
      assert.equal(status, 200);
    }
    const after = await server.metrics();
    const grown = Object.fromEntries(STAGES.map((s) => [s, counted(after, s) - counted(before, s)]));
    for (const stage of ['decode', 'plan', 'embed', 'words', 'payload', 'encode'])
      assert.equal(grown[stage], requests, `${stage}: ${JSON.stringify(grown)}`);
    // Two shards each
    for (const stage of ['queue', 'search']) assert.ok(grown[stage]! >= 2 * requests, stage);
    assert.ok(grown.merge! >= requests);
    // One in sixteen is looked at more closely
    assert.ok(grown.rescore! >= 2 && grown.rescore! <= grown.search! / 8, `${grown.rescore}`);
    assert.ok(grown.filter! >= 1 && grown.filter! <= grown.rescore!, `${grown.filter}`);
    const plans = (families: typeof before) =>
      SHARD_PLANS.reduce(
        (sum, plan) =>
          sum + (seriesValue(families, 'nearpin_shard_searches_total', { index: 'demo', plan }) ?? 0),
        0,
      );
    assert.equal(plans(after) - plans(before), grown.search);
    const answers = (families: typeof before) =>
      seriesValue(families, 'nearpin_answers_total', { index: 'demo', coverage: 'complete' }) ?? 0;
    assert.equal(answers(after) - answers(before), requests);
  });

  it('times requests by route and status, in both formats, and refusals by their code', async () => {
    const count = async (route: string, status: number) =>
      seriesValue(await server.metrics(), 'nearpin_http_request_duration_seconds_count', {
        route,
        status: String(status),
      }) ?? 0;
    const route = '/v1/indexes/:index/query';
    const before = [await count(route, 200), await count(route, 400), await count('none', 404)];
    const vector = Array.from({ length: 256 }, (_, i) => i);
    await postJson(`${server.demo}/query`, { vector });
    await postMsgpack(`${server.demo}/query`, { vector });
    await postJson(`${server.demo}/query`, { vector, k: 0 });
    await postJson(`${server.demo}/query`, '{"vector": [');
    await exchange(`${server.url}/nowhere`);
    const after = [await count(route, 200), await count(route, 400), await count('none', 404)];
    assert.deepEqual(
      after.map((n, i) => n - before[i]!),
      [2, 2, 1],
    );
    const families = await server.metrics();
    assert.ok(seriesValue(families, 'nearpin_problems_total', { code: 'bad_json' })! >= 1);
    assert.ok(seriesValue(families, 'nearpin_problems_total', { code: 'unknown_route' })! >= 1);
    // Its own request is one
    assert.equal(seriesValue(families, 'nearpin_http_requests_in_flight'), 1);
  });

  it('counts a request of HEAD once', async () => {
    await exchange(server.demo, { method: 'HEAD' });
    const series = { route: '/v1/indexes/:index', method: 'HEAD', status: '200' };
    const name = 'nearpin_http_request_duration_seconds_count';
    assert.equal(seriesValue(await server.metrics(), name, series), 1);
  });

  it('shows memory and pins of each shard, words, writes and the process', async () => {
    const families = await server.metrics();
    const ofShards = families.get('nearpin_shard_pins')!.samples;
    assert.deepEqual(
      ofShards.map(({ labels }) => labels.shard),
      ['0', '1'],
    );
    assert.equal(
      ofShards.reduce((sum, { value }) => sum + value, 0),
      DEMO_PINS,
    );
    for (const { value } of families.get('nearpin_shard_memory_bytes')!.samples) assert.ok(value > 0);
    const written = { index: 'demo', operation: 'upsert' };
    assert.equal(seriesValue(families, 'nearpin_pins_written_total', written), DEMO_PINS);
    assert.equal(seriesValue(families, 'nearpin_words_pins'), DEMO_PINS);
    assert.equal(seriesValue(families, 'nearpin_lag_seconds'), 0);
    assert.equal(seriesValue(families, 'nearpin_build_info', { version: '1.2.3' }), 1);
    assert.ok(seriesValue(families, 'process_resident_memory_bytes')! > 1e6);
    assert.ok(seriesValue(families, 'nearpin_event_loop_delay_seconds_count')! >= 0);
  });

  it('counts the records of the audit log', async () => {
    const families = await server.metrics();
    // Of making the index and of writing its pins
    assert.ok(seriesValue(families, 'nearpin_audit_records_total', { outcome: 'written' })! >= 2);
    assert.equal(seriesValue(families, 'nearpin_audit_records_total', { outcome: 'dropped' }), 0);
    assert.equal(seriesValue(families, 'nearpin_audit_waiting_records'), 0);
    assert.equal(seriesValue(families, 'nearpin_audit_ready'), 1);
  });

  it('says when an answer is degraded', async () => {
    const degraded = async () =>
      seriesValue(await server.metrics(), 'nearpin_answers_total', { index: 'demo', coverage: 'degraded' }) ??
      0;
    const before = await degraded();
    let seen = 0;
    const vector = Array.from({ length: 256 }, (_, i) => i);
    // So short that it passes somewhere on the way; where it passes before anything is found, the answer is a refusal
    for (let i = 0; i < 200 && seen === 0; i++) {
      const { status, body } = await postJson(`${server.demo}/query`, {
        vectors: Array.from({ length: 100 }, () => vector),
        exact: true,
        deadlineMs: 0.5 + i / 20,
      });
      const results = status === 200 ? body.results : [];
      if (results.some(({ coverage }: { coverage: { degraded?: string } }) => coverage.degraded)) seen++;
    }
    assert.equal((await degraded()) - before, seen);
  });

  it('forgets an index that is removed', async () => {
    const other = `${server.url}/v1/indexes/other`;
    const put = (body: object) => ({
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    await exchange(other, put({ dim: 2, metric: 'l2' }));
    await exchange(`${other}/pins`, put({ pins: [{ id: 'a', vector: [1, 2] }] }));
    assert.equal((await postJson(`${other}/query`, { vector: [1, 2] })).body.hits.length, 1);
    assert.equal(seriesValue(await server.metrics(), 'nearpin_shard_searches_total', { index: 'other' }), 1);
    await exchange(other, { method: 'DELETE' });
    const text = (await exchange(`${server.url}/metrics`)).body as string;
    assert.ok(!text.includes('index="other"'));
    parseMetrics(text);
  });
});

describe('the document of metrics', () => {
  it('has every metric with its type, labels and meaning, in order, and no other', () => {
    const text = readFileSync(join(ROOT, 'docs/operations/metrics.md'), 'utf8');
    const rows = [...text.matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| (.+) \|$/gm)].map(
      ([, name, type, labels, help]) => ({ name, type, labels, help }),
    );
    const expected = Object.entries(METRICS).map(([name, { type, labels, help }]) => ({
      name,
      type,
      labels: labels.map((label) => `\`${label}\``).join(' '),
      help,
    }));
    assert.deepEqual(rows, expected);
  });

  it('has every stage', () => {
    const text = readFileSync(join(ROOT, 'docs/operations/metrics.md'), 'utf8');
    const told = [...text.matchAll(/^- \*\*(\w+)\*\*/gm)].map(([, stage]) => stage);
    assert.deepEqual(told, STAGES);
  });
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title?: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly targets?: readonly {
    readonly expr: string;
    readonly refId: string;
    readonly legendFormat?: string;
  }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
}

describe('the dashboard', () => {
  const file = join(ROOT, 'docs/operations/grafana-dashboard.json');
  const dashboard = JSON.parse(readFileSync(file, 'utf8'));
  const panels = dashboard.panels as readonly Panel[];
  const graphs = panels.filter(({ type }) => type !== 'row');

  it('has what Grafana needs to take it in', () => {
    assert.equal(typeof dashboard.title, 'string');
    assert.match(dashboard.uid, /^[\w-]{1,40}$/);
    assert.ok(dashboard.schemaVersion >= 36);
    assert.equal(dashboard.id, null);
    const [input] = dashboard.__inputs;
    assert.deepEqual([input.name, input.type, input.pluginId], ['DS_PROMETHEUS', 'datasource', 'prometheus']);
    assert.ok(graphs.length >= 15, `${graphs.length} panels`);
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids are unique');
    for (const { title, gridPos, datasource, targets, fieldConfig } of graphs) {
      assert.ok(
        title && gridPos.w > 0 && gridPos.h > 0 && gridPos.x >= 0 && gridPos.x + gridPos.w <= 24,
        title,
      );
      // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own variables look like that
      assert.deepEqual(datasource, { type: 'prometheus', uid: '${DS_PROMETHEUS}' }, title);
      assert.ok(targets!.length > 0, title);
      assert.equal(new Set(targets!.map(({ refId }) => refId)).size, targets!.length, title);
      assert.ok(fieldConfig!.defaults.unit, `${title} has a unit`);
    }
  });

  it('has no two panels in one place', () => {
    const taken = new Set<string>();
    for (const { gridPos, title } of panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x},${y}`), `${title} lies on another`);
          taken.add(`${x},${y}`);
        }
  });

  /** Everything that is asked of Prometheus: by panels, by the variables at the top, and by annotations. */
  const expressions: readonly { readonly expr: string; readonly of: string }[] = [
    ...graphs.flatMap(({ title = '', targets }) => targets!.map(({ expr }) => ({ expr, of: title }))),
    ...dashboard.templating.list.map(({ name, query }: { name: string; query: { query: string } }) => ({
      expr: query.query,
      of: `variable ${name}`,
    })),
    ...dashboard.annotations.list.map(({ name, expr }: { name: string; expr: string }) => ({
      expr,
      of: `annotation ${name}`,
    })),
  ];
  const METRIC_NAME = /\b((?:nearpin|process|nodejs)_\w+)(\{[^}]*\})?/g;
  /** The metric of a series of an expression; undefined where there is none. */
  const metricOf = (name: string): MetricName | undefined => {
    if (Object.hasOwn(METRICS, name))
      return METRICS[name as MetricName].type === 'histogram' ? undefined : (name as MetricName);
    const base = name.replace(/_(bucket|sum|count)$/, '');
    if (!Object.hasOwn(METRICS, base)) return undefined;
    const { type } = METRICS[base as MetricName];
    return type === 'histogram' || (type === 'summary' && !name.endsWith('_bucket'))
      ? (base as MetricName)
      : undefined;
  };
  const OF_TARGET = ['instance', 'job'];

  it('asks for metrics that there are, by labels that they have', () => {
    for (const { expr, of } of expressions) {
      const labels = new Set(['le', ...OF_TARGET]);
      const found = [...expr.matchAll(METRIC_NAME)];
      assert.ok(found.length > 0, `${of}: ${expr}`);
      for (const [, name = '', selector = ''] of found) {
        const metric = metricOf(name);
        assert.ok(metric, `${of} asks for ${name}`);
        for (const label of METRICS[metric].labels) labels.add(label);
        for (const [, label = '', values = ''] of selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)) {
          assert.ok(
            [...OF_TARGET, ...METRICS[metric].labels].includes(label),
            `${of}: ${name} has no ${label}`,
          );
          if (label === 'code')
            for (const code of values.split('|')) assert.ok(Object.hasOwn(ERRORS, code), `${of}: ${code}`);
        }
      }
      for (const [, list = ''] of expr.matchAll(/\bby \(([^)]*)\)/g))
        for (const label of list.split(', ')) assert.ok(labels.has(label), `${of}: no metric has ${label}`);
    }
  });

  it('names lines by labels that they keep', () => {
    for (const { targets, title } of graphs)
      for (const { expr, legendFormat = '' } of targets!) {
        const by = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(', ');
        const [, name = ''] = [...expr.matchAll(METRIC_NAME)][0]!;
        const kept = by ?? [...OF_TARGET, ...METRICS[metricOf(name)!].labels];
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          assert.ok(kept.includes(label), `${title}: ${legendFormat}`);
      }
  });

  it('shows every metric but those that others tell', () => {
    const shown = new Set(
      expressions.flatMap(({ expr }) => [...expr.matchAll(METRIC_NAME)].map(([, name]) => metricOf(name!))),
    );
    /** Behind the recall and its interval; what is shown by shard, or by index; beside the heap in use. */
    const left = [
      'nearpin_recall_samples',
      'nearpin_memory_bytes',
      'nearpin_shard_pins',
      'nodejs_heap_size_total_bytes',
    ];
    assert.deepEqual(
      Object.keys(METRICS).filter((name) => !shown.has(name as MetricName)),
      left,
    );
  });

  it('asks for nothing that /metrics does not give', async () => {
    await search({ mode: 'hybrid', include: ['payload'] });
    for (let i = 0; i < 200; i++) {
      const replayed = seriesValue(await server.metrics(), 'nearpin_recall_samples');
      if (replayed !== undefined) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
      await search({});
    }
    const families = await server.metrics();
    // Where no experiment runs and no TLS is spoken there is none to show
    const only = /^nearpin_(exposures|shadow|experiments|mixer|certificate)/;
    for (const { expr, of } of expressions)
      for (const [, name = ''] of expr.matchAll(METRIC_NAME))
        if (!only.test(name))
          assert.ok(families.has(name) || families.has(metricOf(name)!), `${of}: ${name}`);
  });
});

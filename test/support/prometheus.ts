/**
 * A strict reader of the text format of Prometheus: what promtool would complain of throws, as does what a scraper might
 * take for something else.
 */
import assert from 'node:assert/strict';

export interface ParsedSample {
  /** With its suffix. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly ParsedSample[];
}

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const SAMPLE = /^([a-zA-Z_][a-zA-Z0-9_]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: [''],
  gauge: [''],
  summary: ['_sum', '_count'],
  histogram: ['_bucket', '_sum', '_count'],
};

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const at = LABEL.lastIndex;
    const found = LABEL.exec(text);
    assert.ok(found, `labels from ${at}: ${text}`);
    const [, name, value] = found;
    assert.ok(!Object.hasOwn(labels, name!), `the label ${name} twice: ${text}`);
    assert.ok(!name!.startsWith('__'), `a reserved label: ${name}`);
    labels[name!] = value!.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  }
  return labels;
}

function parseValue(text: string): number {
  const named = { '+Inf': Number.POSITIVE_INFINITY, '-Inf': Number.NEGATIVE_INFINITY, NaN: Number.NaN };
  if (Object.hasOwn(named, text)) return named[text as keyof typeof named];
  assert.match(text, /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/, `the value ${text}`);
  return Number(text);
}

/** The families of a text, checked. */
export function parseMetrics(text: string): ReadonlyMap<string, ParsedFamily> {
  assert.ok(text.endsWith('\n') && !text.includes('\n\n'), 'ends with one line feed, and has no empty line');
  const families = new Map<string, { name: string; help: string; type: string; samples: ParsedSample[] }>();
  const series = new Set<string>();
  let current: { name: string; help: string; type: string; samples: ParsedSample[] } | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP (\S+) (.+)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|summary|histogram)$/.exec(line);
    if (help) {
      assert.ok(!families.has(help[1]!), `${help[1]} is described twice`);
      current = { name: help[1]!, help: help[2]!, type: '', samples: [] };
      families.set(current.name, current);
    } else if (type) {
      assert.ok(
        current?.name === type[1] && current!.type === '',
        `TYPE of ${type[1]} does not follow its HELP`,
      );
      current!.type = type[2]!;
    } else {
      const sample = SAMPLE.exec(line);
      assert.ok(sample, `no sample: ${line}`);
      const [, name, labels = '', value] = sample;
      const allowed = SUFFIXES[current?.type ?? '']?.map((suffix) => `${current!.name}${suffix}`) ?? [];
      assert.ok(allowed.includes(name!), `${name} is not of ${current?.name}`);
      const parsed = { name: name!, labels: parseLabels(labels), value: parseValue(value!) };
      const key = `${name} ${JSON.stringify(Object.entries(parsed.labels).sort())}`;
      assert.ok(!series.has(key), `${key} twice`);
      series.add(key);
      current!.samples.push(parsed);
    }
  }
  for (const each of families.values()) checkFamily(each);
  return families;
}

/** What promtool's linter knows. */
function checkFamily({ name, help, type, samples }: ParsedFamily): void {
  assert.match(name, NAME);
  assert.ok(help.length > 0 && type !== '' && samples.length > 0, name);
  assert.equal(type === 'counter', name.endsWith('_total'), `${name} is a ${type}`);
  assert.ok(!/_(bucket|sum|count)$/.test(name), `${name} ends as parts of others do`);
  assert.ok(
    !/_(ms|milliseconds|minutes|hours|kb|mb|percent)(_|$)/.test(name),
    `${name} is not in base units`,
  );
  if (type === 'counter') for (const { value } of samples) assert.ok(value >= 0, name);
  if (type === 'histogram') checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly ParsedSample[]): void {
  const groups = new Map<string, ParsedSample[]>();
  for (const sample of samples) {
    const { le: _, ...rest } = sample.labels;
    const key = JSON.stringify(rest);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const [key, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => parseValue(labels.le!));
    assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY, `${name} ${key}`);
    for (const [i, { value }] of buckets.entries())
      assert.ok(i === 0 || (bounds[i]! > bounds[i - 1]! && value >= buckets[i - 1]!.value), `${name} ${key}`);
    const one = (suffix: string) => group.filter((sample) => sample.name === `${name}${suffix}`);
    assert.deepEqual([one('_count').length, one('_sum').length], [1, 1]);
    assert.equal(one('_count')[0]!.value, buckets.at(-1)!.value, `${name} ${key}`);
  }
}

/** The value of one series. */
export function seriesValue(
  families: ReadonlyMap<string, ParsedFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  for (const { samples } of families.values())
    for (const sample of samples) {
      const has = Object.entries(labels).every(([key, value]) => sample.labels[key] === value);
      if (sample.name === name && has) return sample.value;
    }
  return undefined;
}

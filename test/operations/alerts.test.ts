/** The rules for Prometheus speak of metrics and labels that there are, and the runbook has a row for each alert. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ERRORS } from '../../src/lib/errors.ts';
import { METRICS } from '../../src/server/telemetry/metrics.ts';
import { OPERATIONS, ROOT, readYaml } from '../support/operation-files.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}

const [document] = readYaml(join(OPERATIONS, 'alerts.yaml'));
const rules: Rule[] = document.groups.flatMap(({ rules }: { rules: Rule[] }) => rules);
/** Those that Prometheus gives every sample that it scrapes. */
const OF_TARGET = ['job', 'instance'];

/** `name{label="value", …}` of an expression, as it stands there. */
function selectorsOf(expr: string): { name: string; matchers: [string, string][] }[] {
  return [...expr.matchAll(/\b((?:nearpin|process|nodejs)_\w+|up)\b(?:\{([^}]*)\})?/g)].map(
    ([, name = '', inner = '']) => ({
      name,
      matchers: [...inner.matchAll(/(\w+)(?:=~|!=|=)"([^"]*)"/g)].map(([, label = '', value = '']) => [
        label,
        value,
      ]),
    }),
  );
}

test('the rules are what Prometheus takes', () => {
  assert.ok(rules.length >= 10);
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, expr, for: time = '1m', labels, annotations, ...rest } of rules) {
    assert.match(alert, /^Nearpin[A-Z]\w+$/);
    assert.match(time, /^\d+[smh]$/, alert);
    assert.match(labels.severity, /^(critical|warning)$/, alert);
    assert.ok(annotations.summary.length > 0, alert);
    assert.deepEqual(rest, {}, alert);
    const depth = [...expr].reduce((open, c) => open + Number(c === '(') - Number(c === ')'), 0);
    assert.equal(depth, 0, expr);
    assert.match(expr, /(==|<|>) [\d.]+( \* \d+)?$/, expr);
  }
});

test('every metric and label of an alert is one that there is', () => {
  for (const { alert, expr } of rules) {
    const selectors = selectorsOf(expr);
    assert.ok(selectors.length > 0, alert);
    for (const { name, matchers } of selectors) {
      if (name === 'up') continue;
      const family = name.replace(/_(bucket|sum|count)$/, '');
      const metric = METRICS[(family in METRICS ? family : name) as keyof typeof METRICS];
      assert.ok(metric, `${alert}: there is no metric ${name}`);
      assert.equal(metric.type === 'histogram', name.endsWith('_bucket') || name.endsWith('_count'), name);
      const labels: readonly string[] = [...metric.labels, ...OF_TARGET];
      for (const [label, value] of matchers) {
        assert.ok(labels.includes(label), `${alert}: ${name} has no label ${label}`);
        if (label === 'code')
          for (const code of value.split('|')) assert.ok(code in ERRORS, `${alert}: ${code}`);
      }
      for (const [, list = ''] of expr.matchAll(/\bby \(([^)]*)\)/g))
        for (const label of list.split(', '))
          assert.ok(label === 'le' || labels.includes(label), `${alert}: ${name} has no label ${label}`);
    }
  }
});

test('the runbook says of every alert where to look and what to do, and of no other', () => {
  const runbook = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8')
    .split('\n## Runbook\n')[1]!
    .split('\n## ')[0]!;
  const rows = [...runbook.matchAll(/^\| `(Nearpin\w+)` \| (.+) \| (.+) \|$/gm)];
  assert.deepEqual(rows.map(([, alert]) => alert).sort(), rules.map(({ alert }) => alert).sort());
  for (const [, alert, look = '', act = ''] of rows) assert.ok(look.length > 20 && act.length > 20, alert);
});

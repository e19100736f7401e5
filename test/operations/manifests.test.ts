/** The files of docs/operations agree with the program: its settings, its routes, its ports, how long it takes to end. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import { readSettings, SETTING_NAMES, SETTINGS, settingOptions } from '../../src/cli/settings.ts';
import { createServer } from '../../src/server/server.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { catalogOf, clock } from '../support/http.ts';
import {
  dockerStages,
  manifests,
  OPERATIONS,
  ROOT,
  readUnit,
  readYaml,
  type Yaml,
} from '../support/operation-files.ts';
import { MAIN } from '../support/program.ts';

/** After drainMs: what is in flight (src/server/drain.ts gives up on it), and closing the indexes. */
const ENDING_MS = 30_000;

const VARIABLES = new Map(
  SETTING_NAMES.map((name) => [
    `NEARPIN_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
    name as string,
  ]),
);

/** Settings among `NAME=value` pairs, each of which has to be one. */
function settingsIn(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs
      .filter((pair) => pair.startsWith('NEARPIN_'))
      .map((pair) => {
        const [, variable = '', value = ''] = /^(\w+)=(.*)$/.exec(pair) ?? [];
        const name = VARIABLES.get(variable);
        assert.ok(name, `${variable} is no setting`);
        return [name, value];
      }),
  );
}

/** Settings as a server would read them from a file. */
async function settingsOfFile(path: string) {
  const command = new Command('serve').exitOverride();
  for (const each of settingOptions()) command.addOption(each);
  command.parse(['--config', path], { from: 'user' });
  return readSettings(command);
}

async function openRoutes(): Promise<Set<string>> {
  const routes = new Set<string>();
  const app = createServer({ catalog: catalogOf([]), clock });
  app.addHook('onRoute', ({ method, url }) => {
    if ([method].flat().includes('GET')) routes.add(url);
  });
  await app.ready();
  await app.close();
  return routes;
}

const seconds = (text: string): number => {
  const [, number, unit = 's'] = /^(\d+)(s|m|min)?$/.exec(text) ?? [];
  return Number(number) * (unit === 's' ? 1 : 60);
};

describe('nearpin.service', () => {
  const text = readFileSync(join(OPERATIONS, 'nearpin.service'), 'utf8');
  const { Unit, Service, Install } = readUnit(text);
  const one = (key: string) => {
    assert.equal(Service![key]?.length, 1, key);
    return Service![key]![0]!;
  };

  it('starts the program of the package as nobody in particular', () => {
    assert.ok(Unit!.Description && Install!.WantedBy);
    const [, program, command] = one('ExecStart').split(' ');
    assert.match(program!, /^\/opt\/nearpin\/dist\/src\/cli\/main\.js$/);
    assert.equal(command, 'serve');
    assert.equal(one('DynamicUser'), 'yes');
    for (const guard of [
      'NoNewPrivileges',
      'ProtectHome',
      'PrivateTmp',
      'PrivateDevices',
      'RestrictSUIDSGID',
    ])
      assert.equal(one(guard), 'yes', guard);
    assert.equal(one('ProtectSystem'), 'strict');
    assert.equal(one('CapabilityBoundingSet'), '');
    assert.ok(Number(one('LimitNOFILE')) >= 65_536);
  });

  it('sets what are settings, and checks them before it has them reread', () => {
    const { indexes, drainMs } = settingsIn(Service!.Environment!);
    const state = one('StateDirectory').split(' ');
    assert.ok(state.includes(indexes!.replace('/var/lib/', '')), 'it may write to the indexes');
    assert.ok(seconds(one('TimeoutStopSec')) * 1000 >= Number(drainMs) + ENDING_MS);
    const [check, reload] = Service!.ExecReload!;
    assert.match(check!, /main\.js config --check$/);
    assert.match(reload!, /^\/bin\/kill -HUP \$MAINPID$/);
  });

  it('is a unit for systemd', async (t) => {
    if (spawnSync('systemd-analyze', ['--version']).status !== 0)
      return t.skip('there is no systemd-analyze');
    const path = join(await temporaryDir(t), 'nearpin.service');
    // It looks whether what is started is there
    writeFileSync(
      path,
      text
        .replaceAll('/usr/bin/node', process.execPath)
        .replaceAll('/opt/nearpin/dist/src/cli/main.js', MAIN),
    );
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], {
      encoding: 'utf8',
    });
    const about = stderr.split('\n').filter((line) => line.includes('nearpin.service'));
    assert.deepEqual([status, about], [0, []], stderr);
  });
});

describe('the Dockerfile', () => {
  const stages = dockerStages();
  const last = stages.at(-1)!;
  const all = (keyword: string, of = last) =>
    of.filter((each) => each.keyword === keyword).map(({ rest }) => rest);

  it('builds in stages of their own, and ends with nothing that builds', () => {
    assert.ok(stages.length >= 2);
    const bases = stages.map(([from]) => from!.rest.split(' ')[0]);
    assert.match(bases.at(-1)!, /-slim$/);
    for (const run of all('RUN')) assert.doesNotMatch(run, /\b(npm|apt|apt-get|curl|wget|make|gcc)\b/);
    const names = stages.flatMap(([from]) => / AS (\w+)$/.exec(from!.rest)?.[1] ?? []);
    for (const copy of all('COPY')) {
      const from = /^--from=(\w+) /.exec(copy)?.[1];
      assert.ok(from !== undefined && names.includes(from), copy);
    }
    const major = /:(\d+)/.exec(bases[0]!)?.[1];
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    assert.match(engines.node, new RegExp(`>=${major}\\.`));
  });

  it('installs what the lock file says, and runs no scripts of packages', () => {
    const installs = stages
      .flatMap((stage) => all('RUN', stage))
      .filter((run) => /npm (ci|install)/.test(run));
    assert.equal(installs.length, 2);
    for (const run of installs) assert.match(run, /npm ci .*--ignore-scripts/);
  });

  it('runs as a user that is not root, by number, and ends by SIGTERM', () => {
    const [user] = all('USER');
    assert.match(user!, /^[1-9]\d*:[1-9]\d*$/);
    const order = last.map(({ keyword }) => keyword);
    assert.ok(order.indexOf('USER') > order.lastIndexOf('RUN'));
    assert.ok(order.indexOf('USER') < order.indexOf('ENTRYPOINT'));
    assert.deepEqual(all('STOPSIGNAL'), ['SIGTERM']);
  });

  it('starts the program itself, which also says whether it is well', () => {
    const [workdir] = all('WORKDIR');
    const program = `${workdir}/dist/src/cli/main.js`;
    assert.deepEqual(JSON.parse(all('ENTRYPOINT')[0]!), ['node', program]);
    assert.deepEqual(JSON.parse(all('CMD')[0]!), ['serve']);
    const [, timeout, command] = /--timeout=(\S+) .*CMD (.*)$/.exec(all('HEALTHCHECK')[0]!)!;
    assert.deepEqual(JSON.parse(command!), ['node', program, 'health']);
    assert.ok(seconds(timeout!) >= 5);
    const { default: port } = SETTINGS.port as { default?: unknown };
    assert.deepEqual(all('EXPOSE'), [String(port)]);
  });

  it('sets what are settings, and has a volume for the indexes', () => {
    const { indexes, host } = settingsIn(all('ENV').flatMap((pairs) => pairs.split(/\s+/)));
    assert.equal(host, '0.0.0.0');
    assert.ok(indexes!.startsWith(`${all('VOLUME')[0]}/`));
    assert.ok(
      all('RUN').some((run) => run.includes(indexes!)),
      'the folder is there, for the user',
    );
  });

  it('copies what is there and is not ignored', () => {
    const ignored = readFileSync(join(OPERATIONS, 'Dockerfile.dockerignore'), 'utf8').split('\n');
    const kept = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    assert.ok(ignored.includes('*'));
    const isKept = (path: string) =>
      kept.some(
        (one) => path === one || path.startsWith(`${one}/`) || one.startsWith(path.replace(/\*.*$/, '')),
      );
    for (const path of kept.filter((one) => !one.includes('*')))
      assert.ok(existsSync(join(ROOT, path)), path);
    for (const stage of stages.slice(0, -1))
      for (const copy of all('COPY', stage))
        for (const path of copy.split(' ').slice(0, -1))
          if (path !== '.') assert.ok(existsSync(join(ROOT, path)) && isKept(path), path);
    const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const path of files as string[]) {
      // Made in the image, from what is kept
      const source = path.replace(/^dist\//, '');
      assert.ok(isKept(source), `${path} of the package is not in the image`);
    }
  });
});

describe('the manifests for Kubernetes', () => {
  const all = manifests();
  const of = (kind: string): Yaml => {
    const found = all.filter((each) => each.kind === kind);
    assert.equal(found.length, 1, kind);
    return found[0];
  };
  const pod = of('StatefulSet').spec.template.spec;
  const [container] = pod.containers;
  const ports = new Map<string, number>(container.ports.map((port: Yaml) => [port.name, port.containerPort]));

  async function settings(t: Parameters<typeof temporaryDir>[0]) {
    const path = join(await temporaryDir(t), 'nearpin.json');
    const { data, metadata } = of('ConfigMap');
    writeFileSync(path, data['nearpin.json']);
    const named = pod.volumes.find((volume: Yaml) => volume.configMap?.name === metadata.name).name;
    const { mountPath } = container.volumeMounts.find((mount: Yaml) => mount.name === named);
    assert.deepEqual(container.args, ['serve', '--config', `${mountPath}/nearpin.json`]);
    return settingsOfFile(path);
  }

  it('are complete, and each has what all need', () => {
    for (const { apiVersion, kind, metadata } of all) {
      assert.match(apiVersion, /^(v1|[a-z.0-9]+\/v1)$/);
      assert.match(metadata.name, /^[a-z][a-z-]*$/, kind);
      assert.equal(metadata.labels['app.kubernetes.io/name'], 'nearpin', kind);
    }
    const kinds = ['ConfigMap', 'NetworkPolicy', 'PodDisruptionBudget', 'Service', 'Service', 'StatefulSet'];
    assert.deepEqual(all.map(({ kind }) => kind).sort(), kinds);
  });

  it('select the pods that there are', () => {
    const { labels } = of('StatefulSet').spec.template.metadata;
    const selects = (selector: object) => assert.deepEqual(selector, labels);
    selects(of('StatefulSet').spec.selector.matchLabels);
    selects(of('PodDisruptionBudget').spec.selector.matchLabels);
    selects(of('NetworkPolicy').spec.podSelector.matchLabels);
    for (const service of all.filter(({ kind }) => kind === 'Service')) {
      selects(service.spec.selector);
      for (const { port, targetPort } of service.spec.ports) assert.equal(ports.get(targetPort), port);
    }
    const governing = all.find(
      ({ kind, metadata }) => kind === 'Service' && metadata.name === of('StatefulSet').spec.serviceName,
    );
    assert.equal(governing.spec.clusterIP, 'None');
  });

  it('let nobody in but by a port that there is, from where that is said', () => {
    const { ingress, policyTypes } = of('NetworkPolicy').spec;
    assert.deepEqual(policyTypes.sort(), ['Egress', 'Ingress']);
    for (const rule of ingress) {
      assert.ok(rule.from.length > 0);
      for (const { port } of rule.ports) assert.ok(ports.has(port), port);
    }
  });

  it('probe open routes at ports that there are, and give them time', async () => {
    const routes = await openRoutes();
    for (const name of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const { httpGet, periodSeconds, timeoutSeconds, failureThreshold } = container[name];
      assert.ok(routes.has(httpGet.path), httpGet.path);
      assert.equal(httpGet.path, name === 'readinessProbe' ? '/readyz' : '/livez');
      // Which has no TLS, whatever the API has
      assert.deepEqual([httpGet.port, httpGet.scheme], ['health', undefined]);
      assert.ok(timeoutSeconds <= periodSeconds && failureThreshold >= 2, name);
    }
    const { livenessProbe: live } = container;
    assert.ok(live.periodSeconds * live.failureThreshold >= 30, 'a restart costs more than a pause');
  });

  it('have settings that the program takes, with the ports and paths of the pod', async (t) => {
    const { settings: set } = await settings(t);
    assert.equal(ports.get('api'), set.port);
    assert.equal(ports.get('health'), set.healthPort);
    const mounted = (path: string) =>
      container.volumeMounts.some(
        ({ mountPath }: Yaml) => path === mountPath || path.startsWith(`${mountPath}/`),
      );
    for (const path of [set.indexes, set.tlsCert!, set.tlsKey!]) assert.ok(mounted(path), path);
    // Who would be asked for it over https, and a fresh volume has nothing at its root but this
    assert.ok(container.volumeMounts.find(({ mountPath }: Yaml) => mountPath === set.indexes).subPath);
    assert.ok(set.workers + 1 <= Number(container.resources.limits.cpu), 'a core for the network');
  });

  it('are scraped at the port, by the names and in the way that they have, with a key', () => {
    const [{ rule_files, scrape_configs }] = readYaml(join(OPERATIONS, 'prometheus.yaml'));
    for (const name of rule_files) assert.ok(existsSync(join(OPERATIONS, name)), name);
    assert.equal(scrape_configs.length, 1);
    const [{ job_name, scheme, authorization, tls_config, dns_sd_configs, ...rest }] = scrape_configs;
    assert.deepEqual(rest, {}, 'the path is /metrics, as by default');
    assert.match(readFileSync(join(OPERATIONS, 'alerts.yaml'), 'utf8'), new RegExp(`job="${job_name}"`));
    assert.equal(scheme, 'https');
    const name = `${of('StatefulSet').spec.serviceName}.default.svc`;
    assert.deepEqual(dns_sd_configs, [{ names: [name], type: 'A', port: ports.get('admin') }]);
    assert.equal(tls_config.server_name, name);
    const comment = readFileSync(join(OPERATIONS, 'prometheus.yaml'), 'utf8');
    for (const path of [authorization.credentials_file, tls_config.ca_file])
      assert.ok(comment.includes(`--from-file=${basename(path)}`), path);
  });

  it('are not overruled by the environment of the image', async (t) => {
    const { settings: set } = await settings(t);
    const env = dockerStages()
      .at(-1)!
      .filter(({ keyword }) => keyword === 'ENV')
      .flatMap(({ rest }) => rest.split(/\s+/));
    for (const [name, value] of Object.entries(settingsIn(env)))
      assert.equal(value, String(set[name as keyof typeof set]), name);
    assert.equal(pod.enableServiceLinks, false, 'else the Service sets NEARPIN_PORT to an address');
  });

  it('leave the time that a drain takes', async (t) => {
    const { settings: set } = await settings(t);
    assert.ok(pod.terminationGracePeriodSeconds * 1000 >= set.drainMs + ENDING_MS);
    const { readinessProbe: ready } = container;
    assert.ok(
      set.drainMs >= ready.periodSeconds * ready.failureThreshold * 1000,
      'it is out of the endpoints by then',
    );
  });

  it('run as nobody in particular, with nothing to write to but what they are given', () => {
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.ok(pod.securityContext.runAsUser > 0);
    assert.equal(pod.automountServiceAccountToken, false);
    const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = container.securityContext;
    assert.deepEqual(
      [allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities.drop],
      [false, true, ['ALL']],
    );
    const { requests, limits } = container.resources;
    for (const what of ['cpu', 'memory']) assert.ok(requests[what] && limits[what], what);
  });

  it('name volumes that there are, and secrets that the document says how to make', () => {
    const volumes = [
      ...pod.volumes.map(({ name }: Yaml) => name),
      ...of('StatefulSet').spec.volumeClaimTemplates.map(({ metadata }: Yaml) => metadata.name),
    ];
    assert.deepEqual([...volumes].sort(), container.volumeMounts.map(({ name }: Yaml) => name).sort());
    const comment = readFileSync(join(OPERATIONS, 'kubernetes', 'configmap.yaml'), 'utf8');
    for (const { secret } of pod.volumes)
      if (secret) assert.match(comment, new RegExp(`create secret \\w+ ${secret.secretName} `));
  });
});

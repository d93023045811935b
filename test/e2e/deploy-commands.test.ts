/** status, logs and destroy on a deployment, as the user reads them. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { runDestroy } from '../../src/commands/destroy.ts';
import { runLogs } from '../../src/commands/logs.ts';
import { runStatus } from '../../src/commands/status.ts';
import type { Deployment } from '../../src/deploy/deployment.ts';
import { DspError } from '../../src/errors.ts';
import type { Terminal } from '../../src/terminal.ts';
import { deploy, discard, makeProject, processesOf, whoAnswers } from './deploy-fixture.ts';

let project: string;
let deployment: Deployment;

beforeAll(async () => {
  project = makeProject();
  deployment = await deploy(project);
});
afterAll(() => discard(project));

function recorder(interrupt = new AbortController().signal) {
  const said = { out: [] as string[], note: [] as string[], json: [] as unknown[] };
  const terminal: Terminal = {
    out: (text) => said.out.push(text),
    note: (text) => said.note.push(text),
    json: (document) => said.json.push(document),
    progress: () => undefined,
    interactive: false,
    live: false,
    interrupt,
    env: {},
    cwd: project,
  };
  return { terminal, said };
}

it('status is a table, and exits 0 while everything is ready', async () => {
  const { terminal, said } = recorder();
  expect(await runStatus({ project, json: false }, terminal)).toBe(0);
  expect(said.out).toEqual([
    expect.stringMatching(/^INSTANCE +STATE +PID +PORT +UP$/),
    expect.stringMatching(/^store-redis-0 +ready +\d+ +\d+ +\d+s$/),
    expect.stringMatching(/^store-redis-1 +ready /),
    expect.stringMatching(new RegExp(`^web-api-0 +ready +${(await whoAnswers(deployment)).pid} `)),
  ]);
  expect(said.note).toEqual([]);
});

it('logs carry the name of their source', async () => {
  const { terminal, said } = recorder();
  expect(await runLogs({ project, follow: false, lines: 1 }, terminal)).toBe(0);
  expect(said.out).toHaveLength(4);
  expect(said.out).toContain('web-api-0      | listening');
  const web = recorder();
  await runLogs({ project, part: 'web', follow: false, lines: 50 }, web.terminal);
  expect(web.said.out).toEqual(['web-api-0      | listening']);
});

it('logs of nobody name who there is', async () => {
  const asked = runLogs({ project, part: 'nobody', follow: false, lines: 50 }, recorder().terminal);
  await expect(asked).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining('store-redis-0') });
});

it('logs are followed until Ctrl-C', async () => {
  const interrupt = new AbortController();
  const { terminal, said } = recorder(interrupt.signal);
  const following = runLogs({ project, part: 'web-api-0', follow: true, lines: 0 }, terminal);
  process.kill((await whoAnswers(deployment)).pid, 'SIGTERM');
  await expect.poll(() => said.out, { timeout: 20_000 }).toEqual(['web-api-0      | drained']);
  interrupt.abort(new DspError('interrupted', {}));
  expect(await following).toBe(130);
});

it('status exits 1 when something is dead', async () => {
  const { terminal, said } = recorder();
  await expect.poll(() => runStatus({ project, json: true }, terminal)).toBe(1);
  expect(said.json.at(-1)).toMatchObject({
    schemaVersion: 1,
    deployed: true,
    healthy: false,
    instances: [{ state: 'running' }, { state: 'running', ready: true }, { id: 'web-api-0', state: 'dead', pid: null }],
  });
});

it('destroy tells what it did, and again that there is nothing', async () => {
  const first = recorder();
  expect(await runDestroy({ project, keepData: false, json: true }, first.terminal)).toBe(0);
  expect(first.said.json).toEqual([{ schemaVersion: 1, stopped: 2, killed: 0, dataRemoved: true }]);
  expect(processesOf(project)).toEqual([]);
  const second = recorder();
  expect(await runDestroy({ project, keepData: false, json: false }, second.terminal)).toBe(0);
  expect(second.said.note).toEqual(['nothing ran; there was no data']);
});

it('of nothing, status exits 1 and logs say so', async () => {
  const { terminal, said } = recorder();
  expect(await runStatus({ project, json: false }, terminal)).toBe(1);
  expect(said.note).toEqual([expect.stringContaining('dsp deploy')]);
  await expect(runLogs({ project, follow: false, lines: 50 }, terminal)).rejects.toMatchObject({ code: 'deploy.none' });
});

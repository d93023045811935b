/** A deployment of three shards grows to four, as a user does it, while it is written to: no key is lost. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, expect, it } from 'vitest';
import { withPackages } from '../fixtures/packages.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'dsp-reshard-'));
const project = join(work, 'shop');

async function dsp(...args: readonly string[]): Promise<string> {
  const command = [join(root, 'bin/dsp.js'), '-C', project, ...args];
  const { stdout } = await execa(process.execPath, command, { cwd: work, stdin: 'ignore', timeout: 300_000 });
  return stdout;
}

afterAll(async () => {
  await dsp('destroy');
  rmSync(work, { recursive: true, force: true });
});

/** Writes keys one after another until told to stop; returns those that were acknowledged. */
function startWriter(url: string): { readonly stop: () => Promise<readonly string[]> } {
  let going = true;
  const written: string[] = [];
  const running = (async () => {
    for (let n = 0; going; n++) {
      const answer = await fetch(`${url}/v1/items/moving-${n}`, { method: 'PUT', body: `value ${n}` }).catch(
        () => null,
      );
      if (answer?.status === 204) written.push(`moving-${n}`);
    }
  })();
  const stop = async () => {
    going = false;
    await running;
    return written;
  };
  return { stop };
}

function shardsRunning(status: string): number {
  const { instances } = JSON.parse(status) as { instances: { set: string; ready: boolean }[] };
  return instances.filter(({ set, ready }) => set === 'store-redis' && ready).length;
}

it('reshards when the plan grows from 3 to 4 shards', { timeout: 600_000 }, async () => {
  const answers = join(root, 'test/golden/quickstart/dsp.yaml');
  await dsp('new', project, '--answers', answers, '--set', 'needs=keep-hot-data', '--no-input');
  await withPackages(project);
  const deployed = JSON.parse(await dsp('deploy', '--json'));
  const url: string = deployed.endpoints.store;
  const before = shardsRunning(await dsp('status', '--json'));
  const writer = startWriter(url);
  const file = join(project, 'dsp.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/minShards: \d+/, 'minShards: 4'));
  await dsp('plan', '--write');
  await dsp('deploy');
  const written = await writer.stop();
  const after = shardsRunning(await dsp('status', '--json'));
  expect(before % 3).toBe(0);
  expect(after).toBe((before / 3) * 4);
  expect(written.length).toBeGreaterThan(100);
  for (const key of written) {
    const answer = await fetch(`${url}/v1/items/${key}`);
    expect([answer.status, await answer.text()], key).toEqual([200, `value ${key.slice('moving-'.length)}`]);
  }
});

/** The example on a real cluster under another amount of data than before: no key is lost on the way to more nodes or fewer. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  absent,
  deployArgs,
  destroyToNothing,
  dsp,
  inStore,
  kubectl,
  makeProject,
  removeProject,
  sweep,
  write,
} from './cluster.ts';

const namespace = `dsp-resize-${process.pid}`;
const projectName = `resized-${process.pid}`;
const requirements = fileURLToPath(new URL('dsp.yaml', import.meta.url));
const stored = 200;
const each = (command: string) => `i=0; while [ $i -lt ${stored} ]; do echo "${command}"; i=$((i+1)); done | cli`;
let project = '';

describe.skipIf(absent !== null)(
  `a resized store on a cluster${absent === null ? '' : ` (skipped: ${absent})`}`,
  () => {
    beforeAll(async () => {
      const made = await makeProject(requirements, ['--set', `name=${projectName}`]);
      project = made.project;
      const { exitCode, err } = await dsp(project, [...deployArgs(namespace), ...made.images]);
      if (exitCode !== 0) throw new Error(err);
    }, 420_000);

    afterAll(async () => {
      await sweep(namespace);
      removeProject(project);
    }, 180_000);

    it('scales out without loss, after a preview that changed nothing', async () => {
      const script = `${each('set item:k$i v$i')} | grep -c OK`;
      const written = () => inStore(namespace, { user: 'service', pod: 'store-redis-0', script }).catch(() => '');
      await expect.poll(written, { timeout: 60_000, interval: 2000 }).toBe(`${stored}`);
      const before = await replicas();
      await resize(4096);
      expect(await replicas()).toBeGreaterThan(before);
      expect(await readAll(`store-redis-${before}`)).toBe(`${stored}`);
    });

    it('scales in without loss: those who go are emptied before they go', async () => {
      const before = await replicas();
      // As much to a node as before: nodes that are to have another size would start anew, one after another.
      const changes = await resize(3071);
      const after = await replicas();
      expect(after).toBeLessThan(before);
      const order = changes.map(({ resource }) => resource);
      expect(order).toContain('Job store-converge-drain');
      expect(order.indexOf('Job store-converge-drain')).toBeLessThan(order.indexOf('StatefulSet store-redis'));
      expect(await readAll('store-redis-0')).toBe(`${stored}`);
      const members = await inStore(namespace, { user: 'observer', pod: 'store-redis-0', script: 'cli cluster nodes' });
      expect(members.split('\n')).toHaveLength(after);
      expect(members).not.toMatch(/fail|handshake|noaddr/);
    });

    it('takes them back with the volumes that they left', async () => {
      await resize(4096);
      expect(await readAll('store-redis-0')).toBe(`${stored}`);
    });

    it('is destroyed to nothing, with what it left while it was larger', async () => {
      await destroyToNothing(project, namespace, projectName);
    });

    /** Plans for another amount of data, sees in a preview that the nodes change, and deploys. */
    async function resize(totalMiB: number): Promise<readonly { readonly resource: string }[]> {
      const path = join(project, 'dsp.yaml');
      write(path, readFileSync(path, 'utf8').replace(/totalMiB: .*/, `totalMiB: ${totalMiB}`));
      expect((await dsp(project, ['plan', '--write'])).exitCode).toBe(0);
      const before = await replicas();
      const preview = await dsp(project, [...deployArgs(namespace), '--preview']);
      expect(JSON.parse(preview.out)).toMatchObject({ preview: true });
      expect(JSON.parse(preview.out).changes).toContainEqual(
        expect.objectContaining({ operation: 'update', resource: 'StatefulSet store-redis' }),
      );
      expect(await replicas()).toBe(before);
      const deployed = await dsp(project, deployArgs(namespace));
      expect(deployed.err).not.toContain('error:');
      expect(deployed.exitCode).toBe(0);
      return JSON.parse(deployed.out).changes;
    }

    /** How many of the stored keys a pod answers. */
    async function readAll(pod: string): Promise<string> {
      return inStore(namespace, { user: 'service', pod, script: `${each('get item:k$i')} | grep -c '^v'` });
    }

    async function replicas(): Promise<number> {
      return Number(
        await kubectl(
          '--namespace',
          namespace,
          'get',
          'statefulset/store-redis',
          '--output',
          'jsonpath={.spec.replicas}',
        ),
      );
    }
  },
);

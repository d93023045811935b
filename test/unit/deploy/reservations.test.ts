import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { type Paths, pathsOf } from '../../../src/deploy/local/paths.ts';
import { writeState } from '../../../src/deploy/local/registry.ts';
import { dropReservation, withReservations } from '../../../src/deploy/local/reservations.ts';
import { write } from '../../e2e/deploy-fixture.ts';

let work: string;
let folder: string;
const usualFolder = process.env.TMPDIR;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'dsp-reservations-'));
  process.env.TMPDIR = work;
  folder = join(work, `dsp-${userInfo().uid}`);
});
afterEach(() => {
  if (usualFolder === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = usualFolder;
  rmSync(work, { recursive: true, force: true });
});

function project(name: string): Paths {
  mkdirSync(join(work, name));
  return pathsOf(join(work, name));
}

/** Reserves ports for a project whose processes are all dead; tells what others had. */
function reserve(paths: Paths, reserved: readonly number[]): Promise<readonly number[]> {
  return withReservations(paths, systemClock, new AbortController().signal, async (taken) => {
    const named = {
      schemaVersion: 1,
      root: paths.root,
      name: 'x',
      scale: 1,
      requirementsDigest: '',
      settled: false,
    } as const;
    await writeState(paths, { ...named, ports: {}, reserved, instances: {}, jobs: {} });
    return [...taken].sort();
  });
}

describe('reservations', () => {
  it("are other projects' ports, not one's own, until they are dropped", async () => {
    const [one, two] = [project('one'), project('two')];
    expect(await reserve(one, [12_001, 22_001])).toEqual([]);
    expect(await reserve(one, [12_001, 22_001])).toEqual([]);
    expect(await reserve(two, [12_002])).toEqual([12_001, 22_001]);
    await dropReservation(one, systemClock);
    expect(await reserve(two, [12_002])).toEqual([]);
    await dropReservation(two, systemClock);
    expect(existsSync(folder)).toBe(false);
    await dropReservation(two, systemClock);
  });

  it('of a project that is gone, moved, or was never finished are nobody’s', async () => {
    const [gone, damaged, next] = [project('gone'), project('damaged'), project('next')];
    await reserve(gone, [12_001]);
    await reserve(damaged, [12_002]);
    rmSync(gone.root, { recursive: true });
    write(damaged.root, '.dsp/run/state.json', '{');
    write(folder, 'x.json.99.tmp', 'half');
    expect(await reserve(next, [12_003])).toEqual([]);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('are chosen by one project at a time', async () => {
    const projects = Array.from({ length: 8 }, (_, i) => project(`p${i}`));
    const chosen = await Promise.all(
      projects.map((paths) =>
        withReservations(paths, systemClock, new AbortController().signal, async (taken) => {
          const port = Array.from({ length: 8 }, (_, i) => 12_000 + i).find((free) => !taken.has(free)) as number;
          await systemClock.sleep(5);
          const named = {
            schemaVersion: 1,
            root: paths.root,
            name: 'x',
            scale: 1,
            requirementsDigest: '',
            settled: false,
          } as const;
          await writeState(paths, { ...named, ports: {}, reserved: [port], instances: {}, jobs: {} });
          return port;
        }),
      ),
    );
    expect([...chosen].sort()).toEqual(Array.from({ length: 8 }, (_, i) => 12_000 + i));
  });

  it('are not kept where someone else may have put a link', async () => {
    symlinkSync(project('elsewhere').root, folder);
    await expect(reserve(project('one'), [12_001])).rejects.toMatchObject({ code: 'project.unwritable' });
  });
});

import { describe, expect, it } from 'vitest';
import { isInnerPath, parseManifest } from '../../../src/project/manifest.ts';
import { decide, mergeText } from '../../../src/project/merge.ts';
import { seededRandom } from '../../../src/random.ts';
import { file } from './project-fixture.ts';

const seed = 71;

/** `base` with one line in about five replaced, removed or doubled, tagged so that both sides' changes can be told apart. */
function edited(base: readonly string[], tag: string, label: string): readonly string[] {
  const random = seededRandom(seed).fork(label);
  return base.flatMap((line) => {
    const choice = random.integer(15);
    if (choice === 0) return [];
    if (choice === 1) return [`${tag} ${line}`];
    return choice === 2 ? [line, `${tag} after ${line}`] : [line];
  });
}

describe('mergeText', () => {
  const base = Array.from({ length: 12 }, (_, index) => `line ${index}`);

  it('keeps every change of both sides, or gives up', () => {
    let merged = 0;
    for (let round = 0; round < 500; round++) {
      const mine = edited(base, 'mine', `mine ${round}`);
      const theirs = edited(base, 'dsp', `dsp ${round}`);
      const result = mergeText(mine.join('\n'), base.join('\n'), theirs.join('\n'))?.split('\n');
      if (result === undefined) continue;
      merged++;
      const label = `seed ${seed}, round ${round}`;
      for (const line of [...mine, ...theirs].filter((candidate) => !base.includes(candidate))) {
        expect(result, label).toContain(line);
      }
      const removed = base.filter((line) => !mine.includes(line) || !theirs.includes(line));
      for (const line of removed) expect(result, label).not.toContain(line);
      expect(mergeText(theirs.join('\n'), base.join('\n'), mine.join('\n'))).toBe(result.join('\n'));
    }
    expect(merged).toBeGreaterThan(50);
    expect(merged).toBeLessThan(500);
  });

  it('takes the same change on both sides once', () => {
    expect(mergeText('a\nX\nc', 'a\nb\nc', 'a\nX\nc')).toBe('a\nX\nc');
  });

  it('keeps a missing line end, and an added one', () => {
    expect(mergeText('a\nb', 'a\nb', 'A\nb')).toBe('A\nb');
    expect(mergeText('a\nx\nb\n', 'a\nx\nb', 'A\nx\nb')).toBe('A\nx\nb\n');
  });
});

describe('decide', () => {
  const text = (content: string) => ({ kind: 'text', content }) as const;
  const absent = { kind: 'absent' } as const;

  it('never touches what is the user’s', () => {
    const yours = file('policies.yaml', 'new', 'yours');
    expect(decide(yours, { mine: text('x'), base: 'old', conflict: absent })).toEqual({ kind: 'kept' });
    expect(decide(yours, { mine: absent, base: null, conflict: absent })).toEqual({ kind: 'added', content: 'new' });
  });

  it('does not guess without the text that the user started from', () => {
    expect(decide(file('a', 'new'), { mine: text('x'), base: null, conflict: absent })).toEqual({ kind: 'conflicts' });
  });
});

describe('isInnerPath', () => {
  it.each(['a', 'a/b.ts', '.github/workflows/dsp.yml', '.dsp/base/a', 'a/@b/c-d_e'])('takes %s', (path) => {
    expect(isInnerPath(path)).toBe(true);
  });

  it.each([
    '',
    '/a',
    '../a',
    'a/../b',
    'a/..',
    './a',
    'a//b',
    'a/',
    'a b',
    'a\\b',
    '-rf',
    'a/-b',
    'a\0',
    'a\n',
    'C:/x',
    '$x',
    'é',
    5,
    null,
  ])('refuses %s', (path) => {
    expect(isInnerPath(path)).toBe(false);
  });
});

describe('parseManifest', () => {
  it('takes no manifest whose paths leave the project', () => {
    const manifest = (path: string) =>
      JSON.stringify({
        schemaVersion: 1,
        dspVersion: '1',
        requirementsDigest: 'd',
        files: [{ path, sha256: 's', ownership: 'generated' }],
      });
    expect(parseManifest(manifest('a'))?.files).toHaveLength(1);
    expect(parseManifest(manifest('../../etc/passwd'))).toBeNull();
    for (const broken of ['', 'null', '[]', '{}', '<<<<<<< HEAD']) expect(parseManifest(broken)).toBeNull();
  });
});

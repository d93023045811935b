import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type NewOptions, type OpenQuestioner, runNew } from '../../../src/commands/new.ts';
import { DspError } from '../../../src/errors.ts';
import type { Prompt } from '../../../src/requirements/interview.ts';
import type { Terminal } from '../../../src/terminal.ts';
import { catalogue } from '../../../templates/index.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dsp-new-test-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const need = catalogue[0]?.need.id ?? '';
const quiet: NewOptions = { set: [], yes: false, input: true, json: false };

function screen(more: Partial<Terminal> = {}) {
  const out: string[] = [];
  const notes: string[] = [];
  const documents: unknown[] = [];
  const terminal: Terminal = {
    out: (text) => out.push(text),
    note: (text) => notes.push(text),
    json: (document) => documents.push(document),
    progress: () => {},
    interactive: false,
    live: false,
    interrupt: new AbortController().signal,
    env: {},
    cwd: dir,
    ...more,
  };
  return { terminal, out, notes, documents };
}

/** Answers by key and Enter for the rest, or leaves after some. */
function person(says: Readonly<Record<string, string>>, leavesAfter = Number.POSITIVE_INFINITY, goesOn = true) {
  const asked: string[] = [];
  const confirmed: string[] = [];
  const open: OpenQuestioner = async () => ({
    ask: async (prompt: Prompt) => {
      if (asked.length >= leavesAfter) throw new DspError('interrupted', {});
      asked.push(prompt.key);
      const text = says[prompt.key] ?? prompt.default;
      const problem = await prompt.check(text);
      if (problem !== null) throw new Error(`${prompt.key}: ${problem}`);
      return text;
    },
    confirm: async (message) => {
      confirmed.push(message);
      return goesOn;
    },
  });
  return { asked, confirmed, open };
}

const nobody: OpenQuestioner = () => Promise.reject(new Error('asked'));
const yaml = (root: string) => parse(readFileSync(join(root, 'dsp.yaml'), 'utf8'));

describe('without questions', () => {
  it('writes the project from flags and priors, and says what is next', async () => {
    const { terminal, out, notes } = screen({ env: { DSP_COST__USDPERMONTH: '9000' } });
    const set = [`needs=${need}`, 'latency.p99Ms=40'];
    expect(await runNew({ ...quiet, dir: 'my shop', set, yes: true }, terminal, nobody)).toBe(0);
    const root = join(dir, 'my shop');
    expect(yaml(root)).toMatchObject({ name: 'my-shop', latency: { p99Ms: 40 }, cost: { usdPerMonth: 9000 } });
    expect(existsSync(join(root, 'plan.json'))).toBe(true);
    expect(readFileSync(join(root, 'dsp.yaml'), 'utf8')).toContain('# Nobody said; assumed: ');
    expect(out.join('\n').split('\n')[0]).toContain('my-shop');
    expect(notes.join('\n')).toMatch(/cd 'my shop'\n {2}dsp plan .*\n {2}dsp deploy .*\n {2}dsp bench/);
    expect(readdirSync(dir)).toEqual(['my shop']);
  });

  it('prints one document with --json', async () => {
    const { terminal, out, documents } = screen();
    const options = { ...quiet, set: [`needs=${need}`, 'name=quay', 'cost.usdPerMonth=9000'], yes: true, json: true };
    expect(await runNew(options, terminal, nobody)).toBe(0);
    expect(out).toEqual([]);
    expect(documents).toEqual([
      expect.objectContaining({
        schemaVersion: 1,
        project: join(dir, 'quay'),
        name: 'quay',
        parts: expect.arrayContaining([expect.objectContaining({ usdPerMonth: expect.any(Number) })]),
        cost: expect.objectContaining({ priceDate: expect.any(String) }),
        localScale: expect.any(Number),
      }),
    ]);
  });

  it.each([
    ['nobody is there', screen, quiet],
    ['--no-input is given', () => screen({ interactive: true }), { ...quiet, input: false }],
  ] as const)('names all that is missing when %s', async (_, open, options) => {
    const error = await runNew({ ...options, dir: 'shop' }, open().terminal, nobody).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'input.missing', exitCode: 2 });
    expect(error.params.keys).toEqual(expect.arrayContaining(['needs', 'rate.readPerSecond', 'latency.p99Ms']));
    expect(error.params.keys).not.toContain('name');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('takes the answers of a file, flags over it', async () => {
    const { terminal } = screen();
    const first = { ...quiet, dir: 'a', set: [`needs=${need}`, 'cost.usdPerMonth=9000'], yes: true };
    await runNew(first, terminal, nobody);
    const again = { ...quiet, dir: 'b', answers: 'a/dsp.yaml', set: ['latency.p99Ms=55'], input: false };
    expect(await runNew(again, terminal, nobody)).toBe(0);
    expect(yaml(join(dir, 'b'))).toEqual({ ...yaml(join(dir, 'a')), latency: { p99Ms: 55 } });
  });

  it('writes nothing when no plan is possible, and exits 3', async () => {
    const { terminal, notes, documents } = screen();
    const options = { ...quiet, dir: 'shop', set: [`needs=${need}`, 'cost.usdPerMonth=1'], yes: true, json: true };
    expect(await runNew(options, terminal, nobody)).toBe(3);
    expect(documents).toEqual([expect.objectContaining({ schemaVersion: 1, kind: 'no-plan' })]);
    expect(notes.join('\n')).toContain('relax cost.usdPerMonth to');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('writes nothing when it is interrupted while writing', async () => {
    const { terminal } = screen({ interrupt: AbortSignal.abort(new DspError('interrupted', {})) });
    const options = { ...quiet, dir: 'shop', set: [`needs=${need}`, 'cost.usdPerMonth=9000'], yes: true };
    await expect(runNew(options, terminal, nobody)).rejects.toMatchObject({ exitCode: 130 });
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('with questions', () => {
  const interactive = { interactive: true };
  const says = { needs: need, 'cost.usdPerMonth': '9000' };

  it('asks, and names the project by its folder', async () => {
    const { asked, open } = person(says);
    expect(await runNew({ ...quiet, dir: 'shop' }, screen(interactive).terminal, open)).toBe(0);
    expect(asked[0]).toBe('needs');
    expect(asked).not.toContain('name');
    expect(yaml(join(dir, 'shop'))).toMatchObject({ name: 'shop', cost: { usdPerMonth: 9000 } });
    expect(readdirSync(dir)).toEqual(['shop']);
  });

  it('asks for the name where no folder is given, and refuses one that is taken', async () => {
    mkdirSync(join(dir, 'quay'));
    writeFileSync(join(dir, 'quay', 'x'), '');
    const taken = person({ ...says, name: 'quay' });
    await expect(runNew(quiet, screen(interactive).terminal, taken.open)).rejects.toThrow(/name: .*quay is not empty/);
    const set = ['name=quay'];
    const asked = person(says);
    const filled = runNew({ ...quiet, set }, screen(interactive).terminal, asked.open);
    await expect(filled).rejects.toMatchObject({ code: 'project.not-empty' });
    expect(asked.asked).toEqual([]);
  });

  it('keeps the answers when the user leaves, and goes on from there', async () => {
    const first = person(says, 4);
    const left = screen(interactive);
    const gone = runNew({ ...quiet, dir: 'shop' }, left.terminal, first.open);
    await expect(gone).rejects.toMatchObject({ code: 'interrupted', exitCode: 130 });
    expect(readdirSync(dir)).toEqual(['.dsp-answers-shop.yaml']);
    expect(left.notes.join()).toContain(join(dir, '.dsp-answers-shop.yaml'));

    const second = person({ 'cost.usdPerMonth': '9000' });
    expect(await runNew({ ...quiet, dir: 'shop' }, screen(interactive).terminal, second.open)).toBe(0);
    expect(second.confirmed).toHaveLength(1);
    expect(second.asked.filter((key) => first.asked.includes(key))).toEqual([]);
    expect(yaml(join(dir, 'shop')).needs).toEqual([need]);
    expect(readdirSync(dir)).toEqual(['shop']);
  });

  it('begins anew when the user wants to', async () => {
    await runNew({ ...quiet, dir: 'shop' }, screen(interactive).terminal, person(says, 4).open).catch(() => {});
    const second = person(says, Number.POSITIVE_INFINITY, false);
    await runNew({ ...quiet, dir: 'shop' }, screen(interactive).terminal, second.open);
    expect(second.asked[0]).toBe('needs');
  });

  it('keeps them beside the folder that is there', async () => {
    const root = join(dir, 'here');
    mkdirSync(root);
    const at = { ...interactive, cwd: root };
    await runNew({ ...quiet, dir: '.' }, screen(at).terminal, person(says, 3).open).catch(() => {});
    expect(readdirSync(root)).toEqual([]);
    expect(readdirSync(dir)).toEqual(['.dsp-answers-here.yaml', 'here']);
    expect(await runNew({ ...quiet, dir: '.' }, screen(at).terminal, person(says).open)).toBe(0);
    expect(readdirSync(dir)).toEqual(['here']);
    expect(yaml(root).name).toBe('here');
  });

  it('keeps them when no plan is possible, for one to be changed', async () => {
    const { terminal, notes } = screen(interactive);
    expect(await runNew({ ...quiet, dir: 'shop' }, terminal, person({ ...says, 'cost.usdPerMonth': '1' }).open)).toBe(
      3,
    );
    expect(readdirSync(dir)).toEqual(['.dsp-answers-shop.yaml']);
    const command = /dsp new shop --answers (?<answers>\S+) --set (?<set>cost\.usdPerMonth=\d+)/.exec(
      notes.join('\n'),
    )?.groups;
    const again = { ...quiet, dir: 'shop', answers: command?.answers ?? '', set: [command?.set ?? ''], input: false };
    expect(await runNew(again, screen().terminal, nobody)).toBe(0);
    expect(readdirSync(dir)).toEqual(['shop']);
  });
});

describe('a folder that will not do', () => {
  it('is refused before anybody is asked', async () => {
    mkdirSync(join(dir, 'full'));
    writeFileSync(join(dir, 'full', 'mine.txt'), 'mine');
    writeFileSync(join(dir, 'file'), '');
    const { terminal } = screen({ interactive: true });
    await expect(runNew({ ...quiet, dir: 'full' }, terminal, nobody)).rejects.toMatchObject({
      code: 'project.not-empty',
      exitCode: 2,
      params: { found: 'mine.txt' },
    });
    await expect(runNew({ ...quiet, dir: 'file' }, terminal, nobody)).rejects.toMatchObject({
      code: 'project.not-a-folder',
    });
    expect(readdirSync(join(dir, 'full'))).toEqual(['mine.txt']);
  });
});

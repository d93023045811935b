import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatLine } from '../../../src/bench/results/results-text.ts';
import { buildProgram } from '../../../src/cli.ts';
import { runCompletion } from '../../../src/commands/completion.ts';
import type { Terminal } from '../../../src/terminal.ts';
import { runLines } from '../../fixtures/results.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const program = buildProgram('/', async () => {});

async function scriptOf(shell: string): Promise<string> {
  const heard: string[] = [];
  await runCompletion({ shell, program }, { out: (text: string) => heard.push(text) } as unknown as Terminal);
  return heard.join('\n');
}

/** What bash offers after these words, the last of which is being typed. */
async function offered(...words: readonly string[]): Promise<readonly string[]> {
  const script = `${await scriptOf('bash')}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dsp; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' })
    .trim()
    .split('\n');
}

describe('completion', () => {
  it('offers commands, their flags, and what a command is made of', async () => {
    expect(await offered('dsp', 'pl')).toEqual(['plan']);
    expect(await offered('dsp', 'bench', '--find')).toEqual(['--find-capacity']);
    expect(await offered('dsp', 'bench', 'rep')).toEqual(['report']);
    expect(await offered('dsp', 'bench', 'report', '-')).toEqual(['--json', '--help']);
    expect(await offered('dsp', 'logs', 'store', '--fo')).toEqual(['--follow']);
  });

  it('knows a subcommand in fish', async () => {
    const lines = (await scriptOf('fish')).split('\n');
    expect(lines).toContainEqual(expect.stringMatching(/-n '__fish_seen_subcommand_from bench' -a report /));
    expect(lines).toContainEqual(expect.stringMatching(/-n __fish_use_subcommand -a bench /));
  });
});

describe('the command line of bench', () => {
  it('knows report, and its flags wherever they stand', async () => {
    for (const words of [
      ['report', 'a-run', '--json'],
      ['--json', 'report', 'a-run'],
    ]) {
      const documents: unknown[] = [];
      const root = temporaryFolder('bench-report');
      await mkdir(join(root, 'a-run'));
      await writeFile(join(root, 'a-run', 'results.ndjson'), runLines(1).map(formatLine).join(''));
      const terminal = { cwd: root, json: (document: unknown) => documents.push(document) } as unknown as Terminal;
      const listening = buildProgram(root, async (action) => void (await action(terminal)));
      await listening.parseAsync(['node', 'dsp', 'bench', ...words]);
      expect(documents).toMatchObject([{ schemaVersion: 1, name: 'shop' }]);
    }
  });
});

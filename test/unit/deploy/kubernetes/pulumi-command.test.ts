import { describe, expect, it } from 'vitest';
import { type Run, withoutNeedless } from '../../../../src/deploy/kubernetes/pulumi-command.ts';

function recorded(): { readonly asked: string[]; readonly run: Run } {
  const asked: string[] = [];
  const run: Run = async (args) => {
    asked.push(args.join(' '));
    return { stdout: JSON.stringify({ url: 'http://store', key: `[secret] ${asked.length}` }), stderr: '', code: 0 };
  };
  return { asked, run };
}

describe('what Pulumi is not asked', () => {
  const ask = (run: Run, ...args: string[]) => run(args, '/', {});

  it('outputs in clear: the masked ones stand in for them', async () => {
    const { asked, run } = recorded();
    const lean = withoutNeedless(run);
    const masked = await ask(lean, 'stack', 'output', '--json', '--stack', 's');
    expect(await ask(lean, 'stack', 'output', '--json', '--show-secrets', '--stack', 's')).toBe(masked);
    expect(asked).toEqual(['stack output --json --stack s']);
  });

  it('outputs in clear, asked for first, come masked too; later operations have outputs of their own', async () => {
    const { asked, run } = recorded();
    const lean = withoutNeedless(run);
    const first = await ask(lean, 'stack', 'output', '--json', '--show-secrets');
    expect(asked).toEqual(['stack output --json']);
    expect(await ask(lean, 'stack', 'output', '--json')).not.toBe(first);
    expect(asked).toHaveLength(2);
  });

  it('the history, which is an empty list', async () => {
    const { asked, run } = recorded();
    const { stdout, code } = await ask(withoutNeedless(run), 'stack', 'history', '--json', '--page-size', '1');
    expect([JSON.parse(stdout), code]).toEqual([[], 0]);
    expect(asked).toEqual([]);
  });

  it('everything else it is asked as it was', async () => {
    const { asked, run } = recorded();
    await ask(withoutNeedless(run), 'stack', 'select', '--stack', 's', '--show-secrets');
    await ask(withoutNeedless(run), 'up', '--yes');
    expect(asked).toEqual(['stack select --stack s --show-secrets', 'up --yes']);
  });
});

import { describe, expect, it } from 'vitest';
import { type Run, withoutNeedless } from '../../../../src/deploy/kubernetes/pulumi-command.ts';

function recorded(): { readonly asked: string[]; readonly run: Run } {
  const asked: string[] = [];
  const run: Run = async (args) => {
    asked.push(args.join(' '));
    return { stdout: '', stderr: '', code: 0 };
  };
  return { asked, run };
}

describe('what Pulumi is not asked', () => {
  const ask = (run: Run, ...args: string[]) => run(args, '/', {});

  it.each([
    ['the history', [], ['stack', 'history', '--json', '--page-size', '1']],
    ['the outputs', {}, ['stack', 'output', '--json', '--stack', 's']],
    ['the outputs in clear', {}, ['stack', 'output', '--json', '--show-secrets', '--stack', 's']],
  ])('%s, which is empty', async (_, empty, args) => {
    const { asked, run } = recorded();
    const { stdout, code } = await ask(withoutNeedless(run), ...args);
    expect([JSON.parse(stdout), code]).toEqual([empty, 0]);
    expect(asked).toEqual([]);
  });

  it('everything else it is asked as it was', async () => {
    const { asked, run } = recorded();
    await ask(withoutNeedless(run), 'stack', 'select', '--stack', 's', '--show-secrets');
    await ask(withoutNeedless(run), 'up', '--yes');
    expect(asked).toEqual(['stack select --stack s --show-secrets', 'up --yes']);
  });
});

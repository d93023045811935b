/** Puts the interview's questions with inquirer. */

import { DspError } from '../errors.ts';
import type { Asker } from '../requirements/interview.ts';

/** Rejects with `interrupted` when the user presses Ctrl-C, or `signal` is aborted. */
export async function inquirerAsker(signal: AbortSignal): Promise<Asker> {
  const { default: inquirer } = await import('inquirer');
  return async ({ message, feeds, kind, choices, default: preset, check }) => {
    const shared = { name: 'answer', message: `${message}\n  (it decides ${feeds})\n ` };
    const listed = choices.map(({ value, words }) => ({ value, name: words }));
    try {
      const question =
        kind === 'text'
          ? { ...shared, type: 'input' as const, default: preset, validate: (text: string) => check(text) ?? true }
          : kind === 'one'
            ? { ...shared, type: 'select' as const, choices: listed, default: preset }
            : { ...shared, type: 'checkbox' as const, choices: listed, required: true };
      const { answer } = await inquirer.prompt<{ answer: string | readonly string[] }>([question], { signal } as never);
      return typeof answer === 'string' ? answer : answer.join(',');
    } catch (error) {
      const left = error instanceof Error && ['ExitPromptError', 'AbortPromptError'].includes(error.name);
      throw left ? new DspError('interrupted', {}, { cause: error }) : error;
    }
  };
}

/** A yes or no; `false` when the user leaves it at Enter. */
export async function confirm(message: string): Promise<boolean> {
  const { default: inquirer } = await import('inquirer');
  const { answer } = await inquirer.prompt<{ answer: boolean }>([
    { type: 'confirm', name: 'answer', message, default: false },
  ]);
  return answer;
}

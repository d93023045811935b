/** The real inquirer on streams that a test types into. */

import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { inquirerQuestioner } from '../../../src/commands/ask.ts';
import type { Prompt } from '../../../src/requirements/interview.ts';

const enter = '\r';
const down = '\u001b[B';

function keyboard() {
  const input = new PassThrough();
  // As stderr, which the end of a question does not close.
  const output = Object.assign(new PassThrough(), { _isStdio: true });
  let screen = '';
  output.on('data', (chunk) => {
    screen += chunk;
  });
  const shown = () => stripVTControlCharacters(screen);
  /** Types once `text` is on the screen, and forgets what was shown before. */
  const type = async (text: string, keys: string) => {
    for (let waited = 0; !shown().includes(text); waited += 10) {
      if (waited > 20_000) throw new Error(`no ${JSON.stringify(text)} in ${shown()}`);
      await delay(10);
    }
    screen = '';
    input.write(keys);
  };
  return { input, output, shown, type };
}

const text: Prompt = {
  key: 'latency.p99Ms',
  message: 'How fast?',
  feeds: 'the load allowed on each server',
  hints: ['a number, in ms', 'unknown takes 100 (a guess)'],
  kind: 'text',
  choices: [],
  default: 'unknown',
  check: async (answer) => (/^(\d+|unknown)$/.test(answer) ? null : `this is ${answer}`),
};
const choices = [
  { value: 'low', words: 'nobody looks after it' },
  { value: 'high', words: 'people are there for it' },
  { value: 'unknown', words: 'don’t know: low (a guess)' },
];

describe('a question', () => {
  it('shows what it decides, takes no wrong answer, and takes the next', async () => {
    const { type, shown, ...streams } = keyboard();
    const { ask } = await inquirerQuestioner(streams, new AbortController().signal);
    const answer = ask(text);
    await type('decides the load allowed on each server', `fast${enter}`);
    await type('this is fast', `\u0015${'20'}${enter}`);
    expect(await answer).toBe('20');
    expect(shown()).not.toContain('undefined');
  });

  it('takes "don’t know" for Enter', async () => {
    const { type, ...streams } = keyboard();
    const { ask } = await inquirerQuestioner(streams, new AbortController().signal);
    const answer = ask(text);
    await type('unknown takes 100 (a guess)', enter);
    expect(await answer).toBe('unknown');
    const one = ask({ ...text, kind: 'one', choices });
    await type('don’t know: low', enter);
    expect(await one).toBe('unknown');
  });

  it('of one or many is answered by their values', async () => {
    const { type, ...streams } = keyboard();
    const { ask, confirm } = await inquirerQuestioner(streams, new AbortController().signal);
    const one = ask({ ...text, kind: 'one', choices, default: 'low' });
    await type('people are there for it', `${down}${enter}`);
    expect(await one).toBe('high');
    const many = ask({ ...text, kind: 'many', choices: choices.slice(0, 2), default: '', check: async () => null });
    await type('nobody looks after it', enter);
    await type('at least one', ` ${down} ${enter}`);
    expect(await many).toBe('low,high');
    const yes = confirm('Go on?');
    await type('Go on?', enter);
    expect(await yes).toBe(true);
    const no = confirm('Go on?');
    await type('Go on?', `n${enter}`);
    expect(await no).toBe(false);
  });
});

describe('leaving', () => {
  const interrupted = { code: 'interrupted', exitCode: 130 };

  it.each([
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('by %s', async (_, key) => {
    const { type, ...streams } = keyboard();
    const { ask, confirm } = await inquirerQuestioner(streams, new AbortController().signal);
    const answer = expect(ask(text)).rejects.toMatchObject(interrupted);
    await Promise.all([answer, type('How fast?', key)]);
    const confirmed = expect(confirm('Go on?')).rejects.toMatchObject(interrupted);
    await Promise.all([confirmed, type('Go on?', key)]);
  });

  it('by the end of the input', async () => {
    const { type, ...streams } = keyboard();
    const { ask } = await inquirerQuestioner(streams, new AbortController().signal);
    const answer = expect(ask(text)).rejects.toMatchObject(interrupted);
    await type('How fast?', '1');
    streams.input.end();
    await answer;
  });

  it('by a signal, before and while it is asked', async () => {
    const { type, ...streams } = keyboard();
    const controller = new AbortController();
    const { ask } = await inquirerQuestioner(streams, controller.signal);
    const answer = expect(ask(text)).rejects.toMatchObject(interrupted);
    await type('How fast?', '1');
    controller.abort();
    await answer;
    await expect(ask(text)).rejects.toMatchObject(interrupted);
  });
});

/** `npm run bench -- generator-vs-wrk [rounds]`: the generator beside wrk, one thread each. */

import { type Anchor, compareGenerators, connections, roundsAsked, seconds } from './generators.ts';
import { clientCore, measured, need, start } from './side-by-side.ts';

const wrk: Anchor = {
  name: 'wrk',
  prepare: () => need('wrk', 'apt-get install wrk'),
  async run(port) {
    const command = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, `http://127.0.0.1:${port}/`];
    const { text, cpuUs } = await measured(start(clientCore, command));
    const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
    return { perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]), cpuUs: cpuUs / requests };
  },
};

await compareGenerators(wrk, roundsAsked());

/** `npm run bench -- generator-vs-autocannon [rounds]`: the generator beside autocannon, one thread each. */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type Anchor, compareGenerators, connections, roundsAsked, seconds } from './generators.ts';
import { clientCore, measured, start } from './side-by-side.ts';

const version = '8.0.0';

const autocannon: Anchor = {
  name: `autocannon ${version}`,
  prepare(folder) {
    execFileSync('npm', ['install', '--silent', '--no-save', '--prefix', folder, `autocannon@${version}`]);
  },
  async run(port, folder) {
    const script = join(folder, 'node_modules/autocannon/autocannon.js');
    const options = ['-c', String(connections), '-d', String(seconds), '--json', '--no-progress'];
    const command = [process.execPath, script, ...options, `http://127.0.0.1:${port}/`];
    const { text, cpuUs } = await measured(start(clientCore, command));
    const { requests } = JSON.parse(text) as { requests: { total: number; average: number } };
    return { perSecond: requests.average, cpuUs: cpuUs / requests.total };
  },
};

await compareGenerators(autocannon, roundsAsked());

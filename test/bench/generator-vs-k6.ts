/** `npm run bench -- generator-vs-k6 [rounds]`: the generator beside k6, one core each, both check every body. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Anchor, compareGenerators, connections, roundsAsked, seconds } from './generators.ts';
import { greeting } from './hello-server.ts';
import { clientCore, measured, need, start } from './side-by-side.ts';

interface Summary {
  readonly metrics: { readonly http_reqs: { readonly count: number; readonly rate: number } };
}

const k6: Anchor = {
  name: 'k6',
  prepare(folder) {
    need('k6', 'go install go.k6.io/k6@v1.8.1, with the folder of its binaries on PATH');
    const script = `import http from 'k6/http';
import { check } from 'k6';
const answer = { 'is the greeting': ({ body }) => body === ${JSON.stringify(greeting)} };
export default () => check(http.get(__ENV.URL), answer);
`;
    writeFileSync(join(folder, 'script.js'), script);
  },
  async run(port, folder) {
    const summary = join(folder, 'summary.json');
    const load = ['--vus', String(connections), '--duration', `${seconds}s`, '--quiet', '--no-usage-report'];
    const output = ['--summary-export', summary, '--env', `URL=http://127.0.0.1:${port}/`];
    const { cpuUs } = await measured(start(clientCore, ['k6', 'run', ...load, ...output, join(folder, 'script.js')]));
    const { http_reqs: requests } = (JSON.parse(readFileSync(summary, 'utf8')) as Summary).metrics;
    return { perSecond: requests.rate, cpuUs: cpuUs / requests.count };
  },
};

await compareGenerators(k6, roundsAsked());

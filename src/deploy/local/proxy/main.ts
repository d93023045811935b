/** Entry of the fault proxy's process: `main.js <control port> <data folder of the deployment>`, in its own data folder. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { systemClock } from '../../../clock.ts';
import { randomToken, seededRandom } from '../../../random.ts';
import { connectionOwners } from '../procfs.ts';
import { localHost } from '../resolve.ts';
import { routesFile, tokenFile } from './files.ts';
import type { Route } from './protocol.ts';
import { ProxyServer } from './server.ts';

const [, , controlPort = '', dataDir = ''] = process.argv;
const token = randomToken(16);
writeFileSync(tokenFile, token, { mode: 0o600 });
const routes: readonly Route[] = existsSync(routesFile) ? JSON.parse(readFileSync(routesFile, 'utf8')) : [];
await new ProxyServer({
  host: localHost,
  controlPort: Number(controlPort),
  token,
  routes,
  ownersOf: (connections) => connectionOwners(dataDir, connections),
  clock: systemClock,
  random: seededRandom(1),
}).start();

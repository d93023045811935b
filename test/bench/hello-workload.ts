/** GETs of the server of the generator benches; every body is checked. */

import type { Workload, WorkloadRequest } from '../../src/bench/generator/workload.ts';
import { greeting } from './hello-server.ts';

const request: WorkloadRequest = { operation: 'get', method: 'GET', path: '/', key: 'greeting', value: 0 };

export default {
  create: () => ({
    next: () => request,
    judge: (_, response) => {
      const correct = response !== null && response.status === 200 && response.body === greeting;
      return { outcome: correct ? 'ok' : 'fail', correct, result: 0 };
    },
  }),
  finalReads: () => [],
} satisfies Workload;

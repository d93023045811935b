/** The control's operations: a bare GET, answered by 204. */

import type { Workload, WorkloadRequest } from './workload.ts';

const request: WorkloadRequest = { operation: 'control', method: 'GET', path: '/', key: '', value: 0 };

const workload: Workload = {
  create: () => ({
    next: () => request,
    judge: (_, response) => ({ outcome: 'ok', correct: response?.status === 204, result: 0 }),
  }),
  finalReads: () => [],
};

export default workload;

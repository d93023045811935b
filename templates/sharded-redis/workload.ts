/** The items over HTTP, as callers of the service read and write them. */

import type { WorkloadRequest, WorkloadResponse } from '../../src/pattern.ts';
import { type ItemsProtocol, itemsWorkload, type WriteAnswer } from './items-run.ts';

const headers = { 'content-type': 'text/plain; charset=utf-8' };

const http: ItemsProtocol<WorkloadRequest, WorkloadResponse> = {
  read: (key) => ({ operation: 'read', method: 'GET', path: `/v1/items/${key}`, key, value: 0 }),
  write: (key, body, value) => ({
    operation: 'write',
    method: 'PUT',
    path: `/v1/items/${key}`,
    headers,
    body,
    key,
    value,
  }),
  readAnswer: (response) => {
    if (response?.status === 404) return { text: null };
    return response?.status === 200 ? { text: response.body } : 'failed';
  },
  writeAnswer,
};

/** Refused as it stands, or by a service that says that nothing was done: everything else may have run. */
function writeAnswer(response: WorkloadResponse | null): WriteAnswer {
  if (response === null) return 'unknown';
  const { status, body } = response;
  if (status >= 200 && status < 300) return 'done';
  if (status >= 400 && status < 500) return 'not done';
  return status === 503 && /"outcome"\s*:\s*"not done"/.test(body) ? 'not done' : 'unknown';
}

export default itemsWorkload(() => http);

/** The cluster's API as a pod with an account of its own reaches it. */

import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Pods are of the first, what makes them is of the second. */
export type ApiGroup = 'api/v1' | 'apis/apps/v1';

export interface Api {
  readonly namespace: string;
  /** `path` is below the namespace: `pods/store-0`, `deployments/api/scale`. Rejects when nobody answers. */
  call(method: 'GET' | 'DELETE' | 'PATCH', path: string, body?: unknown, group?: ApiGroup): Promise<Answer>;
}

const accountDir = '/var/run/secrets/kubernetes.io/serviceaccount';
const answerMs = 10_000;

/** Throws where there is no account: outside a pod. */
export function inClusterApi(env: Readonly<Record<string, string | undefined>>): Api {
  const read = (name: string) => readFileSync(join(accountDir, name), 'utf8');
  const namespace = read('namespace').trim();
  const ca = read('ca.crt');
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT_HTTPS: port } = env;
  const call: Api['call'] = (method, path, body, group = 'api/v1') =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = {
        // Tokens are renewed in their file.
        authorization: `Bearer ${read('token').trim()}`,
        accept: 'application/json, */*',
        ...(text === undefined ? {} : { 'content-length': Buffer.byteLength(text), 'content-type': typeOf(method) }),
      };
      const full = `/${group}/namespaces/${namespace}/${path}`;
      const sent = request({ host, port, ca, method, path: full, headers, timeout: answerMs }, (response) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          answer += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: answer }));
        response.on('error', reject);
      });
      sent.on('timeout', () => sent.destroy(new Error('the cluster’s API does not answer')));
      sent.on('error', reject);
      sent.end(text);
    });
  return { namespace, call };
}

function typeOf(method: string): string {
  return method === 'PATCH' ? 'application/strategic-merge-patch+json' : 'application/json';
}

/** The API answers errors as a Status object. */
export function messageOf(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: string }).message ?? text);
  } catch {
    return text;
  }
}

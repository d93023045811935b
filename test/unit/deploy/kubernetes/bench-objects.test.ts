import { describe, expect, it } from 'vitest';
import { benchObjects } from '../../../../src/deploy/kubernetes/bench-objects.ts';

interface Item {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Record<string, string> };
  readonly spec?: { readonly template: { readonly spec: { readonly containers: readonly Record<string, unknown>[] } } };
}

describe('a bench in the cluster', () => {
  const made = { project: 'shop', namespace: 'n', image: 'bench:1', input: '{}', deadlineSeconds: 60 };
  const { items } = benchObjects({ ...made, cpuMillis: 500 }) as { items: readonly Item[] };

  it('asks for the CPU that it is given, and is limited in memory alone', () => {
    const job = items.find(({ kind }) => kind === 'Job');
    expect(job?.spec?.template.spec.containers[0]).toMatchObject({
      image: 'bench:1',
      resources: { requests: { cpu: '500m' }, limits: { memory: '1Gi', 'ephemeral-storage': '512Mi' } },
    });
  });

  it('can be found and taken away whole', () => {
    for (const { metadata } of items) {
      expect(metadata).toMatchObject({ name: 'shop-bench', namespace: 'n', labels: { 'dsp/bench-of': 'shop' } });
    }
  });
});

import { expect, it } from 'vitest';
import type { ContainerState, Pod } from '../../../../src/deploy/kubernetes/cluster.ts';
import { causesOf, isReady } from '../../../../src/deploy/kubernetes/failure.ts';

function pod(state: ContainerState, more: Partial<Pod['status']> = {}): Pod {
  return {
    metadata: { name: 'store-redis-0', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { containers: [{ name: 'main', image: 'redis:9' }] },
    status: {
      phase: 'Pending',
      containerStatuses: [{ name: 'main', ready: false, restartCount: 0, state }],
      ...more,
    },
  };
}

it.each([
  ['an image that is not there', { waiting: { reason: 'ImagePullBackOff' } }, 'image redis:9 cannot be pulled'],
  ['an image name that is none', { waiting: { reason: 'InvalidImageName' } }, 'image redis:9 cannot be pulled'],
  [
    'a container that admission refuses',
    { waiting: { reason: 'CreateContainerConfigError', message: 'secret "x" not found' } },
    'store-redis-0 cannot be started: secret "x" not found',
  ],
  ['a program that ends', { terminated: { exitCode: 3, reason: 'Error' } }, 'store-redis-0 ended with exit code 3'],
  [
    'too little memory',
    { terminated: { exitCode: 137, reason: 'OOMKilled' } },
    'store-redis-0 needed more memory than its limit',
  ],
])('says in words: %s', (_, state, words) => {
  expect(causesOf(pod(state))).toEqual([words]);
});

it('says that no machine takes it, and why', () => {
  const message = '0/1 nodes are available: 1 Insufficient cpu.';
  const found = causesOf(
    pod({}, { containerStatuses: [], conditions: [{ type: 'PodScheduled', status: 'False', message }] }),
  );
  expect(found).toEqual([`store-redis-0 has no machine to run on: ${message}`]);
});

it('finds nothing wrong with a pod that starts, or has done its work', () => {
  expect(causesOf(pod({ waiting: { reason: 'ContainerCreating' } }))).toEqual([]);
  expect(causesOf(pod({ terminated: { exitCode: 0, reason: 'Completed' } }))).toEqual([]);
  expect(isReady(pod({}, { conditions: [{ type: 'Ready', status: 'True' }] }))).toBe(true);
  expect(isReady(pod({}))).toBe(false);
});

import type { EngineEvent, OpType } from '@pulumi/pulumi/automation/index.js';
import { expect, it } from 'vitest';
import { changeLines, EngineLog, parseUrn, summarize } from '../../../../src/deploy/kubernetes/changes.ts';

const object = 'urn:pulumi:c.n::shop::dsp:stacks:ProcessSet$kubernetes:apps/v1:StatefulSet::store-redis';
const component = 'urn:pulumi:c.n::shop::dsp:stacks:ProcessSet::store-redis';

function step(op: OpType, urn: string, more: object = {}) {
  return { metadata: { op, urn, type: '', provider: '', ...more } };
}

function listen(events: readonly Partial<EngineEvent>[]) {
  const told: string[] = [];
  let nowMs = 0;
  const log = new EngineLog(
    (line) => told.push(line),
    () => (nowMs += 500),
  );
  for (const event of events) log.onEvent({ sequence: 0, timestamp: 0, ...event });
  return { log, told };
}

it('tells objects of the cluster from the components that group them', () => {
  expect(parseUrn(object)).toEqual({ kind: 'StatefulSet', name: 'store-redis', isObject: true });
  expect(parseUrn(component).isObject).toBe(false);
  expect(parseUrn('').isObject).toBe(false);
});

it('gathers changes of objects, counts what stays, and says when each is done', () => {
  const { log, told } = listen([
    { resourcePreEvent: step('create', component) },
    { resourcePreEvent: step('update', object, { detailedDiff: { 'spec.replicas': {} } }) },
    { resOutputsEvent: step('update', object) },
    { resourcePreEvent: step('same', object) },
  ]);
  expect(log.changes).toEqual([
    { operation: 'update', resource: 'StatefulSet store-redis', properties: ['spec.replicas'] },
  ]);
  expect(log.unchanged).toBe(1);
  expect(told).toEqual(['  ~ updated  StatefulSet store-redis (0.5 s)']);
});

it('knows what the program returned, but for secrets and what is no text', () => {
  const type = 'pulumi:pulumi:Stack';
  const urn = 'urn:pulumi:c.n::shop::pulumi:pulumi:Stack::shop-c.n';
  const outputs = { store: 'http://store-api.n.svc:8080', key: '[secret]', size: 3 };
  const { log } = listen([
    { resourcePreEvent: step('same', urn, { type, new: { outputs: {} } }) },
    { resOutputsEvent: step('same', urn, { type, new: { outputs } }) },
    { resOutputsEvent: step('same', object, { new: { outputs: { replicas: 'three' } } }) },
  ]);
  expect(log.outputs).toEqual({ store: 'http://store-api.n.svc:8080' });
  expect(listen([]).log.outputs).toEqual({});
});

it('counts a replacement once', () => {
  const { log } = listen([
    { resourcePreEvent: step('delete-replaced', object) },
    { resourcePreEvent: step('replace', object) },
    { resourcePreEvent: step('create-replacement', object) },
  ]);
  expect(log.changes.map(({ operation }) => operation)).toEqual(['replace']);
});

it('names the objects that failed with what was said of them, and keeps the rest apart', () => {
  const said = (message: string, urn?: string) => ({
    diagnosticEvent: { message, color: '', severity: 'error' as const, ...(urn ? { urn } : {}) },
  });
  const { log } = listen([
    { resOpFailedEvent: { ...step('create', object), status: 0, steps: 0 } },
    said('<{%fg 1%}>timed out<{%reset%}>\n', object),
    said('update failed'),
  ]);
  expect(log.failures).toEqual([
    { resource: 'StatefulSet store-redis', kind: 'StatefulSet', name: 'store-redis', message: 'timed out' },
  ]);
  expect(log.otherProblems).toEqual(['update failed']);
});

it('sums up before it lists', () => {
  const changes = [
    { operation: 'create' as const, resource: 'Job a', properties: [] },
    { operation: 'update' as const, resource: 'StatefulSet b', properties: ['spec.replicas'] },
  ];
  expect(summarize(changes, 3)).toBe('1 to create, 1 to update; 3 unchanged');
  expect(summarize([], 3)).toBe('no changes; 3 unchanged');
  expect(changeLines(changes)).toEqual(['+ create  Job a', '~ update  StatefulSet b  spec.replicas']);
});

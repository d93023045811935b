import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../../src/clock.ts';
import type { Answer, Api, ApiGroup } from '../../../../src/deploy/kubernetes/in-cluster.ts';
import { rollingRestart, scaleSets } from '../../../../src/deploy/kubernetes/rollout.ts';

/** A controller that replaces or adds one pod a second, and sees what is asked only half a second later. */
class FakeController implements Api {
  readonly namespace = 'n';
  readonly patches: unknown[] = [];
  stuck = false;
  refuses = false;
  #nowMs = 0;
  #generation = 1;
  #observed = 1;
  #replicas: number;
  /** When each pod is as it should be. */
  #readyMs: number[];

  readonly kind: 'statefulsets' | 'deployments';

  constructor(kind: 'statefulsets' | 'deployments', replicas: number) {
    this.kind = kind;
    this.#replicas = replicas;
    this.#readyMs = Array.from({ length: replicas }, () => 0);
  }

  readonly clock = {
    nowMs: () => this.#nowMs,
    monotonicMs: () => this.#nowMs,
    sleep: async (ms: number) => {
      this.#nowMs += ms;
    },
  } as Clock;

  async call(method: 'GET' | 'DELETE' | 'PATCH', path: string, body?: unknown, group?: ApiGroup): Promise<Answer> {
    if (group !== 'apis/apps/v1' || path !== `${this.kind}/api`) return { status: 404, text: '{}' };
    if (method === 'PATCH') return this.#patch(body as { spec: { replicas?: number } });
    if (this.#observed < this.#generation && this.#nowMs >= this.#seenMs) this.#observed = this.#generation;
    const isSeen = this.#observed === this.#generation;
    const fresh = isSeen && !this.stuck ? this.#readyMs.filter((ms) => ms <= this.#nowMs).length : 0;
    const before = this.#before;
    const counts = isSeen
      ? { replicas: this.#readyMs.length, readyReplicas: fresh, updatedReplicas: fresh }
      : { replicas: before, readyReplicas: before, updatedReplicas: before };
    const status = { observedGeneration: this.#observed, ...counts };
    const containers = [{ name: 'main', env: [{ name: 'INSTANCES', value: '2' }, { name: 'OTHER' }] }];
    const spec = { replicas: this.#replicas, template: { spec: { containers } } };
    const controller = { metadata: { generation: this.#generation }, spec, status };
    return { status: 200, text: JSON.stringify(controller) };
  }

  #seenMs = 0;
  #before = 0;
  #patch(body: { spec: { replicas?: number } }): Answer {
    if (this.refuses) return { status: 403, text: '{"message":"not you"}' };
    this.patches.push(body);
    this.#before = this.#replicas;
    this.#generation++;
    this.#seenMs = this.#nowMs + 500;
    const replicas = body.spec.replicas ?? this.#replicas;
    this.#replicas = replicas;
    this.#readyMs = Array.from({ length: replicas }, (_, i) => this.#seenMs + 1000 * (i + 1));
    return { status: 200, text: '{}' };
  }
}

describe('a rolling restart', () => {
  it.each(['statefulsets', 'deployments'] as const)('of %s is over when every pod is a new one', async (kind) => {
    const api = new FakeController(kind, 3);
    const { hit, seen } = await rollingRestart(api, 'api', api.clock);
    expect(hit).toBe(true);
    const tookMs = Number(/^the 3 pods of api restarted in turn within (?<ms>\d+) ms$/.exec(seen)?.groups?.ms);
    // What the controller says before it has seen the change is about the pods before.
    expect(tookMs).toBeGreaterThanOrEqual(3500);
    expect(JSON.stringify(api.patches)).toContain('kubectl.kubernetes.io/restartedAt');
  });

  it('that does not come to its end did not hit', async () => {
    const api = new FakeController('deployments', 2);
    api.stuck = true;
    const { hit, seen } = await rollingRestart(api, 'api', api.clock);
    expect({ hit, seen }).toEqual({ hit: false, seen: expect.stringContaining('are not all restarted after') });
  });

  it('that is refused, or of what is not there, did not hit', async () => {
    const api = new FakeController('deployments', 2);
    api.refuses = true;
    expect(await rollingRestart(api, 'api', api.clock)).toEqual({
      hit: false,
      seen: 'deployments/api was not changed: not you',
    });
    expect((await rollingRestart(api, 'else', api.clock)).hit).toBe(false);
  });
});

describe('another number of pods', () => {
  it('is reached, and the number before when it is lifted', async () => {
    const api = new FakeController('deployments', 2);
    const hold = await scaleSets(api, [{ set: 'api', replicas: 4, env: { INSTANCES: '4' } }], api.clock);
    expect(hold.began).toEqual({ hit: true, seen: expect.stringMatching(/^api went from 2 to 4 pods after \d+ ms$/) });
    expect(await hold.lift()).toEqual({ hit: true, seen: expect.stringMatching(/^api went from 4 to 2 pods/) });
    const told = (value: string) => ({
      spec: { containers: [{ name: 'main', env: [{ name: 'INSTANCES', value }] }] },
    });
    expect(api.patches).toEqual([
      { spec: { replicas: 4, template: told('4') } },
      { spec: { replicas: 2, template: told('2') } },
    ]);
  });

  it('that is not reached did not hit, and is lifted all the same', async () => {
    const api = new FakeController('deployments', 2);
    api.stuck = true;
    const hold = await scaleSets(api, [{ set: 'api', replicas: 3, env: {} }], api.clock);
    expect(hold.began).toEqual({ hit: false, seen: expect.stringContaining('not all ready') });
    api.stuck = false;
    expect((await hold.lift()).hit).toBe(true);
  });

  it('of what is not there touches nothing', async () => {
    const api = new FakeController('deployments', 2);
    expect(
      (
        await scaleSets(
          api,
          ['api', 'gone'].map((set) => ({ set, replicas: 3, env: {} })),
          api.clock,
        )
      ).began.hit,
    ).toBe(false);
    expect(api.patches).toEqual([]);
  });
});

/** Composition by capability, with patterns whose only properties are what they provide and demand. */

import { describe, expect, it } from 'vitest';
import type { Catalogue } from '../../../src/pattern.ts';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import type { NoPlan, Plan } from '../../../src/plan/plan.ts';
import { summarizePlan } from '../../../src/plan/summary.ts';
import type { Requirements } from '../../../src/requirements/requirements.ts';
import { type Fake, fake } from './fake-patterns.ts';
import { requirements } from './requirements.ts';

function result(fakes: readonly Fake[], needs: readonly string[], changes: Partial<Requirements> = {}): Plan | NoPlan {
  const catalogue: Catalogue = fakes.map(fake);
  return assemblePlan(requirements({ needs: needs.map((need) => `want-${need}`), ...changes }), catalogue);
}

function plan(fakes: readonly Fake[], needs: readonly string[], changes?: Partial<Requirements>): Plan {
  const made = result(fakes, needs, changes);
  if (isNoPlan(made)) throw new Error(JSON.stringify(made.rejected));
  return made;
}

const names = ({ parts }: Plan) => parts.map(({ name }) => name);
const links = ({ edges }: Plan) => edges.map(({ from, to, capability }) => `${from} → ${to} (${capability})`).sort();
const sizing = ({ parts }: Plan, name: string) => parts.find((part) => part.name === name)?.sizing;

/** A provider that costs as much alone as shared, but for its first machine. */
const store: Fake = { id: 'store', provides: ['kv'] };
const shop: Fake = { id: 'shop', demands: ['kv'] };

describe('a provider that calls for another', () => {
  const proxy: Fake = { id: 'proxy', provides: ['cache'], demands: ['kv'], passesOn: true };
  const page: Fake = { id: 'page', demands: ['cache'] };

  it('is served in turn, to the end of the chain', () => {
    const made = plan([page, proxy, store], ['page']);
    expect(names(made)).toEqual(['page-proxy-store', 'page-proxy', 'page']);
    expect(links(made)).toEqual(['page → page-proxy (cache)', 'page-proxy → page-proxy-store (kv)']);
    const set = made.topology.processSets.find(({ id }) => id === 'page-proxy-api');
    expect(set).toMatchObject({ env: { KV_PART: 'page-proxy-store' }, dependsOn: ['page-proxy-store-api'] });
  });

  it('passes what is added to it on to its own provider', () => {
    const blog: Fake = { id: 'blog', demands: ['cache'] };
    const made = plan([page, blog, proxy, store], ['page', 'blog']);
    expect(names(made)).toHaveLength(4);
    expect(sizing(made, 'page-proxy')).toMatchObject({ rate: 20, served: ['page', 'blog'] });
    expect(sizing(made, 'page-proxy-store')).toMatchObject({ rate: 20, served: ['page-proxy'] });
  });

  it('is compared with all that it calls for in turn', () => {
    // The layer alone is cheaper than the block, but not with what it stands on.
    const block: Fake = { id: 'block', provides: ['cache'], machines: (rate) => (rate > 10 ? 6 : 3) };
    const layer: Fake = { id: 'layer', provides: ['cache'], demands: ['kv'], machines: () => 1 };
    const base: Fake = { id: 'base', provides: ['kv'], machines: () => 9 };
    const made = plan([{ ...page, id: 'a' }, { ...page, id: 'b' }, block, layer, base], ['a', 'b']);
    expect(names(made).some((name) => name.includes('layer'))).toBe(false);
    expect(names(made)).toEqual(['a-block', 'a', 'b']);
  });

  it('refuses one that would call for itself without end', () => {
    const egg: Fake = { id: 'egg', provides: ['egg'], demands: ['hen'] };
    const hen: Fake = { id: 'hen', provides: ['hen'], demands: ['egg'] };
    const made = result([{ id: 'cook', demands: ['egg'] }, egg, hen], ['cook']);
    expect(isNoPlan(made) && made.rejected.some(({ reason }) => reason.includes('call for itself'))).toBe(true);
    const both = result([egg, hen], ['egg', 'hen']);
    if (!isNoPlan(both)) throw new Error(`a circle was planned: ${links(both)}`);
    expect(both.rejected[0].option).not.toBe('');
  });

  it('never serves itself', () => {
    const made = plan([{ id: 'tier', provides: ['kv'], demands: ['kv'] }, store], ['tier']);
    expect(links(made)).toEqual(['tier → tier-store (kv)']);
  });
});

describe('sharing or its own', () => {
  /** Adding anything to it costs three machines; alone, one is enough. */
  const stiff: Fake = { id: 'stiff', provides: ['kv'], demands: [], machines: (rate) => (rate > 10 ? 4 : 1) };
  const two: readonly Fake[] = [{ ...shop, id: 'a' }, { ...shop, id: 'b' }, stiff];

  it('takes what makes the whole cheaper', () => {
    expect(names(plan(two, ['a', 'b'])).filter((name) => name.endsWith('stiff'))).toEqual(['a-stiff', 'b-stiff']);
    const shared = plan([{ ...shop, id: 'a' }, { ...shop, id: 'b' }, store], ['a', 'b']);
    expect(names(shared).filter((name) => name.endsWith('store'))).toEqual(['a-store']);
  });

  it('says what the other option would have cost, and never a number that nobody knows', () => {
    const made = plan(two, ['a', 'b']);
    const excuse = made.parts.find(({ name }) => name === 'b')?.rejected[0];
    expect(excuse).toMatchObject({ option: 'share a-stiff', numbers: { usdPerMonth: 90, chosenUsdPerMonth: 30 } });
    const only = plan(
      [
        { ...store, id: 'user-store' },
        { ...shop, id: 'b' },
      ],
      ['user-store', 'b'],
    );
    expect(summarizePlan(only)).not.toMatch(/\d{9}/);
  });

  it('does not share what lacks a guarantee, and says which', () => {
    const forgetful: Fake = { id: 'forgetful', provides: ['kv'], guarantees: { evicts: true } };
    const made = plan([forgetful, store, shop], ['forgetful', 'shop']);
    expect(links(made)).toEqual(['shop → shop-store (kv)']);
    expect(made.edges[0]?.because).toContain('evicts = false');
    const excuse = made.parts.find(({ name }) => name === 'shop')?.rejected[0];
    expect(excuse).toMatchObject({ option: 'share forgetful', numbers: { asked: 0, offered: 1 } });
  });

  it('has no plan when nobody offers it', () => {
    const made = result([shop], ['shop']);
    expect(isNoPlan(made) && made.rejected[0]).toMatchObject({ bottleneck: 'capability' });
  });
});

describe('a catalogue of sixty', () => {
  const fakes: readonly Fake[] = Array.from({ length: 60 }, (_, index) => ({
    id: `pattern-${index}`,
    provides: index % 3 === 0 ? [`capability-${index}`] : [],
    // Each asks for the one of the next three, so that there are chains of twenty.
    demands: index < 57 ? [`capability-${Math.floor(index / 3) * 3 + 3}`] : [],
    passesOn: true,
  }));
  const needs = fakes.map(({ id }) => id);

  it('is planned whole, each demand served once', () => {
    const made = plan(fakes, needs);
    expect(made.edges).toHaveLength(57);
    expect(new Set(names(made)).size).toBe(made.parts.length);
    expect(summarizePlan(made).split('\n').length).toBeLessThanOrEqual(24);
  });

  it('does not depend on the order of the needs', () => {
    const reversed = plan(fakes, [...needs].reverse());
    expect({ ...reversed, requirements: null, requirementsDigest: '' }).toEqual({
      ...plan(fakes, needs),
      requirements: null,
      requirementsDigest: '',
    });
  });
});

/** Runs a Pulumi program against mocks and returns the Kubernetes resources that it declares, as the API would get them. */

import { runtime } from '@pulumi/pulumi';
import { expect } from 'vitest';

export interface Declared {
  /** The kind, e.g. `StatefulSet`; a component's own type elsewhere. */
  readonly kind: string;
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests reach deep into manifests of a dozen kinds.
  readonly inputs: any;
}

export async function declare(program: () => unknown): Promise<readonly Declared[]> {
  const declared: Declared[] = [];
  const mocks: runtime.Mocks = {
    newResource({ type, name, inputs }) {
      const kind = type.startsWith('kubernetes:') ? (type.split(':').at(-1) ?? type) : type;
      declared.push({ kind, name, inputs: opened(inputs) });
      return { id: `${name}-id`, state: inputs };
    },
    call: ({ inputs }) => inputs,
  };
  await runtime.setMocks(mocks, 'shop', 'test', false);
  await runtime.runInPulumiStack(async () => {
    await program();
    return {};
  });
  // Resources are registered in the background.
  await runtime.disconnect();
  return declared;
}

/** By which Pulumi's protocol knows a secret. */
const secretMark = '4dabf18193072939515e22adb298388d';

/** What the API gets: a provider is told which inputs are secret, and sends their plain values. */
function opened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(opened);
  if (value === null || typeof value !== 'object') return value;
  if (secretMark in value && 'value' in value) return opened(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, opened(item)]));
}

/** The one resource of that kind and name. */
export function one(resources: readonly Declared[], kind: string, name: string): Declared['inputs'] {
  const found = resources.filter((resource) => resource.kind === kind && resource.name === name);
  expect(found, `${kind} ${name}`).toHaveLength(1);
  return found[0]?.inputs;
}

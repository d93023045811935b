/**
 * Packages that another one loads at its start and hardly ever uses, loaded when they are first touched: two thirds of
 * what loading Pulumi's Automation API costs goes into a compiler and a package manager, which turn functions into text
 * for resources that no program of a generated project has.
 */

import module from 'node:module';
import { join } from 'node:path';

type Load = (request: string, parent: { readonly filename?: string | null } | undefined, isMain: boolean) => unknown;

/** CommonJS' own loader: what `require` calls, whose hooks by a public name exist from Node 22.15 on only. */
const loader = module as unknown as { _load: Load };

/**
 * Runs `load`, which requires CommonJS modules and returns what they are. Requests for the packages `names` that a file
 * under a folder named `owner` makes meanwhile get a stand-in for the package, which is loaded when something is read of it.
 */
export function withLazyPackages<T>(owner: string, names: readonly string[], load: () => T): T {
  const eager = loader._load;
  const folder = join('node_modules', owner, '/');
  loader._load = function (request, parent, isMain) {
    const isOwned = parent?.filename?.includes(folder) === true;
    if (!isOwned || !names.includes(request)) return eager.call(this, request, parent, isMain);
    return standIn(() => eager.call(this, request, parent, isMain) as object);
  };
  try {
    return load();
  } finally {
    loader._load = eager;
  }
}

function standIn(load: () => object): unknown {
  let loaded: object | undefined;
  const real = () => {
    loaded ??= load();
    return loaded;
  };
  const read = (key: string | symbol): unknown => {
    // What compilers make of an import asks for this first, and copies every property of what is no ES module.
    if (key === '__esModule') return true;
    return key === 'default' && !('default' in real()) ? real() : Reflect.get(real(), key);
  };
  const target = {};
  return new Proxy(target, {
    get: (_, key) => read(key),
    has: (_, key) => Reflect.has(real(), key),
    ownKeys: () => Reflect.ownKeys(real()),
    getOwnPropertyDescriptor: (_, key) => {
      const found = Reflect.getOwnPropertyDescriptor(real(), key);
      return found === undefined ? undefined : { ...found, configurable: true };
    },
  });
}

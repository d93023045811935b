/** What a template may use: the typed encoders, and the blocks `each`, `if` and `unless`. */

import type Handlebars from 'handlebars';
import { encoders } from './encoders.ts';

export const blocks = ['each', 'if', 'unless'];

/** `engine`, with every value held to be there: strict mode lets a missing one through as an argument. */
export function withHelpers<E extends Pick<typeof Handlebars, 'helpers' | 'registerHelper'>>(engine: E): E {
  for (const [name, encode] of Object.entries(encoders)) {
    engine.registerHelper(name, (value: unknown) => encode(present(name, value)));
  }
  // A block would take a missing value for false.
  for (const name of blocks) {
    const block = engine.helpers[name] as Handlebars.HelperDelegate;
    engine.registerHelper(name, function (this: unknown, value: unknown, options: Handlebars.HelperOptions) {
      return block.call(this, present(name, value), options);
    });
  }
  return engine;
}

function present(name: string, value: unknown): unknown {
  if (value === undefined) throw new Error(`${name} of a value that is missing`);
  return value;
}

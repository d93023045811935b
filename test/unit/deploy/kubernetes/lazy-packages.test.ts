import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLazyPackages } from '../../../../src/deploy/kubernetes/lazy-packages.ts';

let root = '';

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

interface Owner {
  readonly heavy: Record<string, unknown>;
  readonly compiled: Record<string, unknown>;
  readonly other: Record<string, unknown>;
}

interface Loads {
  heavyLoads?: number;
}

const seen = globalThis as Loads;

/** What a compiler makes of `import * as heavy` and `import heavy`. */
const compiled = `
const star = (mod) => (mod && mod.__esModule ? mod : Object.assign({}, mod, { default: mod }));
module.exports = { heavy: require('heavy'), compiled: star(require('heavy')), other: require('other') };`;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'dsp-lazy-'));
  seen.heavyLoads = 0;
  write('node_modules/@a/owner/index.js', compiled);
  write('node_modules/heavy/index.js', 'globalThis.heavyLoads++; module.exports = { answer: 42 };');
  write('node_modules/other/index.js', 'module.exports = { heavy: require("heavy") };');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function load(names: readonly string[]): Owner {
  const require = createRequire(join(root, 'package.json'));
  return withLazyPackages('@a/owner', names, () => require('@a/owner') as Owner);
}

const loaderNow = () => Object.getOwnPropertyDescriptor(createRequire(import.meta.url)('node:module'), '_load')?.value;

describe('packages loaded when they are touched', () => {
  it('are not loaded before, and are themselves afterwards', () => {
    write('node_modules/other/index.js', 'module.exports = {};');
    const { heavy, compiled } = load(['heavy']);
    expect(seen.heavyLoads).toBe(0);
    expect(heavy.answer).toBe(42);
    expect(compiled.answer).toBe(42);
    expect((compiled.default as Owner['heavy']).answer).toBe(42);
    expect(Object.keys(heavy)).toEqual(['answer']);
    expect('answer' in heavy).toBe(true);
    expect('question' in heavy).toBe(false);
    expect(seen.heavyLoads).toBe(1);
  });

  it('are loaded at once for whoever else asks, and for everybody once the owner is loaded', () => {
    expect(load(['heavy']).other.heavy).toEqual({ answer: 42 });
    expect(seen.heavyLoads).toBe(1);
    write('later.js', 'module.exports = require("heavy");');
    expect(createRequire(join(root, 'package.json'))('./later.js')).toEqual({ answer: 42 });
  });

  it('leave the loader as it was, also when loading fails', () => {
    const before = loaderNow();
    write('node_modules/@a/owner/index.js', 'throw new Error("no owner");');
    expect(() => load(['heavy'])).toThrow('no owner');
    expect(loaderNow()).toBe(before);
  });
});

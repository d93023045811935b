/**
 * Text → plain YAML: mappings, lists and scalars, each with its place. What YAML has beyond that (anchors, aliases, tags,
 * merge keys, directives, several documents) is refused, so that a file means what it looks like.
 */

import {
  CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
} from 'yaml';
import { printable } from './words.ts';

/** A file of answers is written by hand: a few KiB. */
export const maxBytes = 64 * 1024;
const maxDepth = 8;
const maxIndent = 64;

export interface PlacedProblem {
  /** `file:line:column` */
  readonly where: string;
  /** Dotted; empty where no key is meant. */
  readonly key: string;
  readonly problem: string;
}

export interface Entry {
  readonly key: string;
  readonly where: string;
  readonly value: Tree;
}

/** A mapping's entries are in the file's order, each key once. */
export type Tree =
  | { readonly kind: 'map'; readonly where: string; readonly entries: readonly Entry[] }
  | { readonly kind: 'list'; readonly where: string; readonly items: readonly Tree[] }
  | { readonly kind: 'scalar'; readonly where: string; readonly value: unknown };

export interface Parsed {
  /** Null when the text is not YAML at all; then there are problems. */
  readonly tree: Tree | null;
  readonly problems: readonly PlacedProblem[];
}

/** Never throws. */
export function parseYaml(text: string, file: string): Parsed {
  const excess = excessOf(text);
  if (excess !== null) return { tree: null, problems: [{ where: `${file}:${excess.line}:1`, key: '', ...excess }] };
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    merge: false,
    version: '1.2',
    // Duplicates are found while walking, in linear time.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'error',
  });
  const walk = new Walk(file, lines);
  const tree = document.contents === null ? null : walk.read(document.contents as Node, '');
  const broken = document.errors.map(({ pos, message }) => walk.broken(pos[0], message));
  // What follows a broken line cannot be trusted, so that only the breaks are reported.
  if (broken.length > 0) return { tree: null, problems: broken };
  return { tree, problems: [...directives(document, file), ...walk.problems] };
}

function directives({ directives: found }: Document, file: string): readonly PlacedProblem[] {
  if (found === undefined) return [];
  const plain = found.yaml.explicit !== true && Object.keys(found.tags).every((handle) => handle === '!!');
  return plain ? [] : [{ where: `${file}:1:1`, key: '', problem: 'has a % directive; leave it out' }];
}

/** The parser recurses and would fall over what is nested too deeply, so that this looks at the tokens first. */
function excessOf(text: string): { readonly line: number; readonly problem: string } | null {
  if (Buffer.byteLength(text) > maxBytes) return { line: 1, problem: `has more than ${maxBytes} bytes` };
  let line = 1;
  let depth = 0;
  let inLine = 0;
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token);
    if (type === 'flow-map-start' || type === 'flow-seq-start') depth++;
    else if (type === 'flow-map-end' || type === 'flow-seq-end') depth = Math.max(0, depth - 1);
    else if (type === 'newline') inLine = 0;
    else if (type === 'space' && inLine === 0 && token.length > maxIndent) inLine = maxDepth + 1;
    else if (type === 'seq-item-ind' || type === 'explicit-key-ind' || type === 'map-value-ind') {
      if (depth === 0) inLine++;
    }
    if (depth > maxDepth || inLine > maxDepth) return { line, problem: 'is nested too deeply' };
    line += token.split('\n').length - 1;
  }
  return null;
}

class Walk {
  readonly problems: PlacedProblem[] = [];
  readonly #file: string;
  readonly #lines: LineCounter;
  /** Keys in the file's order, by which a broken line finds the key that it is in. */
  readonly #keys: { readonly offset: number; readonly path: string }[] = [];

  constructor(file: string, lines: LineCounter) {
    this.#file = file;
    this.#lines = lines;
  }

  read(node: Node | null, path: string, at = 0): Tree {
    const offset = node?.range?.[0] ?? at;
    const where = this.#place(offset);
    if (node === null) return { kind: 'scalar', where, value: null };
    if (isAlias(node)) {
      this.#refuse(offset, path, 'is an alias; write the value out');
      return { kind: 'scalar', where, value: null };
    }
    if (node.anchor !== undefined) this.#refuse(offset, path, 'has an anchor; write the value out');
    if (node.tag !== undefined) this.#refuse(offset, path, `has the tag ${printable(node.tag)}; write the value alone`);
    if (isScalar(node)) return { kind: 'scalar', where, value: node.value };
    if (isSeq(node))
      return { kind: 'list', where, items: node.items.map((item) => this.read(item as Node, path, offset)) };
    return { kind: 'map', where, entries: isMap(node) ? this.#entries(node.items, path, offset) : [] };
  }

  broken(offset: number, message: string): PlacedProblem {
    const key = this.#keys.filter((found) => found.offset <= offset).at(-1)?.path ?? '';
    return { where: this.#place(offset), key, problem: `is not YAML: ${message}` };
  }

  #entries(pairs: readonly { key: unknown; value: unknown }[], path: string, at: number): readonly Entry[] {
    const seen = new Map<string, string>();
    return pairs.flatMap((pair) => {
      const key = pair.key as Node | null;
      const offset = key?.range?.[0] ?? at;
      if (!isScalar(key) || typeof key.value === 'object') {
        this.#refuse(offset, path, 'has a key that is no word');
        return [];
      }
      const name = String(key.value);
      const inner = path === '' ? printable(name) : `${path}.${printable(name)}`;
      this.#keys.push({ offset, path: inner });
      if (key.anchor !== undefined) this.#refuse(offset, inner, 'has an anchor; write the value out');
      if (key.tag !== undefined) this.#refuse(offset, inner, 'has a tag; write the key alone');
      const value = this.read(pair.value as Node | null, inner, offset);
      const first = seen.get(name);
      if (first !== undefined) {
        this.#refuse(offset, inner, `is there twice; the first is at ${first}`);
        return [];
      }
      seen.set(name, this.#place(offset));
      return [{ key: name, where: this.#place(offset), value }];
    });
  }

  #refuse(offset: number, key: string, problem: string): void {
    this.problems.push({ where: this.#place(offset), key, problem });
  }

  #place(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#file}:${line}:${col}`;
  }
}

/** Plain data of a tree. Objects have no prototype, so that `__proto__` is a key like any other. */
export function plain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value;
  if (tree.kind === 'list') return tree.items.map(plain);
  const data: Record<string, unknown> = Object.create(null);
  for (const { key, value } of tree.entries) data[key] = plain(value);
  return data;
}

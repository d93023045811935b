/** A strict reader of XML elements (and of HTML written as carefully), for the tests of reports: throws unless well-formed. */

export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#39': "'" };
const voids = new Set(['meta']);
const rawText = new Set(['script', 'style']);
const tag =
  /<(?:!doctype html|\?xml [^?]*\?|(?<close>\/)?(?<name>[a-zA-Z][\w:-]*)(?<attributes>(?:\s+[\w:-]+="[^"<]*")*)\s*(?<empty>\/)?)>/y;

function decode(text: string): string {
  const decoded = text.replace(/&([#\w]*);?/g, (whole, name: string) => {
    const value = entities[name];
    if (value === undefined || !whole.endsWith(';')) throw new Error(`entity ${whole}`);
    return value;
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what XML 1.0 may not hold.
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(decoded))
    throw new Error('a character that XML can not hold');
  return decoded;
}

export function readMarkup(source: string, html = false): Element {
  const root: Element = { name: '', attributes: {}, children: [], text: '' };
  const open: Element[] = [root];
  for (let at = 0; at < source.length; ) {
    const current = open.at(-1)!;
    const raw = html && rawText.has(current.name);
    const next = raw ? source.indexOf(`</${current.name}`, at) : source.indexOf('<', at);
    const text = source.slice(at, next < 0 ? source.length : next);
    current.text += raw ? text : decode(text);
    if (next < 0) break;
    tag.lastIndex = next;
    const found = tag.exec(source);
    if (found === null) throw new Error(`markup at ${JSON.stringify(source.slice(next, next + 60))}`);
    at = tag.lastIndex;
    const { close, name, attributes = '', empty } = found.groups ?? {};
    if (name === undefined) continue;
    if (close) {
      if (open.pop()!.name !== name || open.length === 0) throw new Error(`</${name}> closes ${current.name}`);
      continue;
    }
    const pairs = [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [
      key,
      decode(value),
    ]);
    if (new Set(pairs.map(([key]) => key)).size < pairs.length) throw new Error(`<${name}> has an attribute twice`);
    const element: Element = { name, attributes: Object.fromEntries(pairs), children: [], text: '' };
    current.children.push(element);
    if (!empty && !(html && voids.has(name))) open.push(element);
  }
  if (open.length !== 1) throw new Error(`<${open.at(-1)!.name}> is not closed`);
  return root;
}

/** Every element of that name, in order. */
export function all(element: Element, name: string): readonly Element[] {
  return element.children.flatMap((child) => [...(child.name === name ? [child] : []), ...all(child, name)]);
}

/** The text of an element and of all within. */
export function textOf(element: Element): string {
  return element.text + element.children.map(textOf).join('');
}

/** How texts are shown: the user's own, whatever it holds, and long ones. */

const maxShown = 60;

/** One line of visible characters: controls, bidirectional marks and lone surrogates become escapes. */
export function printable(text: string): string {
  const visible = text.replace(/[\p{C}\u2028\u2029]/gu, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return `\\u{${code}}`;
  });
  const characters = [...visible];
  return characters.length > maxShown ? `${characters.slice(0, maxShown - 1).join('')}…` : visible;
}

/** A value of any kind, texts quoted. */
export function show(value: unknown): string {
  if (typeof value === 'number') return `${value}`;
  return printable(JSON.stringify(value) ?? String(value));
}

/** Lines of at most `width` characters, words whole. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

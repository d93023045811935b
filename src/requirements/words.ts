/** How the user's own text is shown back, whatever it holds. */

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

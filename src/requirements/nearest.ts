/** The word that was meant. */

/** The nearest of `words` by edit distance, at most a third of its length away; null when none is near. */
export function nearest(given: string, words: readonly string[]): string | null {
  if (given.length > 60) return null;
  const ranked = words
    .map((word) => ({ word, distance: distance(given.toLowerCase(), word.toLowerCase()) }))
    .filter(({ word, distance: d }) => d <= Math.max(1, Math.floor(word.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.word ?? null;
}

/** `; did you mean …?`, or nothing where no word is near. */
export function suggestion(given: string, words: readonly string[]): string {
  const best = nearest(given, words);
  return best === null ? '' : `; did you mean ${best}?`;
}

/** Levenshtein (1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

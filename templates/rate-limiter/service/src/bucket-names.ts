/** Which bucket a key is in, and what the store calls it: the same for every instance, and for whoever looks from outside. */

/** The hash tag keeps a bucket's name and slot apart from every other use of the store. */
export function bucketName(index: number): string {
  return `rl:{b${index}}`;
}

/** FNV-1a over UTF-16 code units, its bits then mixed (murmur3's finaliser), so that similar keys spread evenly. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
